-- Names: where the columns and the source of a tally are today.
--
-- A column keeps its number when it is renamed, so definitions record numbers (attnums). A restored table has other
-- numbers: they hold for one table of one database of one cluster, its place. Elsewhere the recorded names hold, as they do
-- for a column that was dropped and added again.

-- The place where numbers of columns of this table hold.
create or replace function tally.place_of(source regclass) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select concat_ws('/', (select system_identifier from pg_control_system()),
                   (select oid from pg_database where datname = current_database()), source::oid)
$$;

-- The columns that the expressions of a definition read: today's attributes, in the order of code -> 'columns'. A column
-- that does not exist has null for its number; another one that the tally reads does not stand in for it by taking its name.
create or replace function tally.columns_today(d tally.definition)
returns table (place integer, recorded text, name text, number smallint, type oid)
language sql stable set search_path = pg_catalog, pg_temp as $$
  select c.place::integer, c.recorded, a.attname::text, a.attnum, a.atttypid
    from (select place, e ->> 'name' as recorded,
                 case when d.place = tally.place_of(d.source) then d.attnums[place] end as number
            from json_array_elements(d.code -> 'columns') with ordinality as u (e, place)) as c
         left join pg_attribute held on held.attrelid = d.source and held.attnum = c.number and not held.attisdropped
         left join pg_attribute a
           on a.attrelid = d.source and a.attnum > 0 and not a.attisdropped
              and case when held.attnum is not null then a.attnum = held.attnum
                       else a.attname = c.recorded and not (d.place = tally.place_of(d.source) and a.attnum = any (d.attnums)) end
   order by c.place
$$;

-- The names of those columns, for the generated functions. Null if there is no such tally: then its triggers were restored
-- without it, and must not speak for another one of its name.
create or replace function tally.column_names(number integer) returns text[]
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
  d tally.definition;
  c record;
  names text[] := '{}';
begin
  select * into d from tally.definition t where t.id = column_names.number;
  if not found then
    return null;
  elsif tally.name_of(d.source) is null then
    raise exception 'tally "%": its source % is gone', d.name, d.source_name
      using errcode = '42P01', hint = format('select tally.drop_tally(%L)', d.name);
  end if;
  for c in select * from tally.columns_today(d) loop
    if c.number is null then
      raise exception 'column % of % does not exist any more', quote_ident(c.recorded), d.source
        using errcode = '42703', hint = format('select tally.alter_tally(%L, ...) with expressions that do not read it', d.name);
    end if;
    names := names || c.name;
  end loop;
  return names;
end
$$;

-- Whether the columns have the names that a generated function uses. IMMUTABLE is not true, and that is the point: the
-- planner evaluates it once per plan, and PostgreSQL plans anew after each change of the table. So a writer pays nothing
-- for it, and a function never reads a column that took the name of another one.
create or replace function tally.reads_columns(number integer, names text[]) returns boolean
language plpgsql immutable security definer set search_path = pg_catalog, pg_temp as $$
begin
  return tally.column_names(number) = names;
end
$$;

-- The name of the source, for the generated functions.
create or replace function tally.source_name(number integer) returns text
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select tally.name_of(d.source) from tally.definition d where d.id = $1
$$;

-- The name of a table with its schema; null if there is no such table.
create or replace function tally.name_of(relation regclass) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select format('%I.%I', n.nspname, c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = relation
$$;

-- The functions that generated functions call.
create or replace function tally.owner_functions() returns text[]
language sql immutable as $$
  select '{"column_names(integer)","reads_columns(integer, text[])",source_name(integer)}'::text[]
$$;

-- Gives the owner of a source what the triggers need at run time.
create or replace function tally.grant_owner(owner oid) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  name name := pg_get_userbyid(owner);
  called text;
begin
  if not has_schema_privilege(owner, 'tally', 'usage') then
    execute format('grant usage on schema tally to %I', name);
  end if;
  if not has_sequence_privilege(owner, 'tally.event_number', 'usage') then
    execute format('grant usage on sequence tally.event_number to %I', name);
  end if;
  foreach called in array tally.owner_functions() loop
    if not has_function_privilege(owner, 'tally.' || called, 'execute') then
      execute format('grant execute on function tally.%s to %I', called, name);
    end if;
  end loop;
end
$$;
