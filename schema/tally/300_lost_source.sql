-- Version 3: what servers ask besides.

-- Why a tally has no source any more: it was dropped, renamed, or another table has its name. Null: it has.
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
