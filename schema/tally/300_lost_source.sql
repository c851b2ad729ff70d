-- Version 3: a function that servers call.

-- Why a tally has lost its source: the table was dropped or renamed, or another table has its name. Null if it has not.
create or replace function tally.lost_source(name text) returns text
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
  d tally.definition;
begin
  select * into d from tally.definition t where t.name = $1;
  if not found or (tally.table_named(d.source_name) = d.source and exists (select from pg_class where oid = d.source)) then
    return null;
  end if;
  return (tally.problems(name))[1];
end
$$;
