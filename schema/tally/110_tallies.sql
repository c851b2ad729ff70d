-- The list of tallies, with the problems that keep them from being exact.

create or replace function tally.problems(name text) returns text[]
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
  d tally.definition;
  found_now oid;
  owner oid;
  problems text[] := '{}';
  reload text := format('select tally.reload(%L)', $1);
  kind text;
  part regclass;
  enabled "char";
  argument text;
  read_name text;
  type_then text;
  type_now text;
begin
  select * into d from tally.definition t where t.name = $1;
  if not found then
    return null;
  end if;
  found_now := tally.table_named(d.source_name);
  select relowner into owner from pg_class where oid = d.source;
  if not found then
    if found_now is null then
      return array[format('source %s was dropped; remedy: select tally.drop_tally(%L)', d.source_name, $1)];
    end if;
    return array[format('source %s was dropped and another table has its name; remedy: %s', d.source_name, reload)];
  elsif found_now is null then
    problems := problems || format('source %s was renamed to %s; remedy: %s', d.source_name, d.source, reload);
  elsif found_now <> d.source then
    return array[format('source %s was renamed to %s and another table has its name; remedy: %s', d.source_name, d.source, reload)];
  end if;

  for part in select p from tally.parts(d.source) as p loop
    foreach kind in array array['insert', 'update', 'delete', 'truncate'] loop
      select tgenabled into enabled from pg_trigger
       where tgrelid = part and tgname = format('tally_%s_%s', d.id, kind)
         and tgfoid = to_regproc(format('tally.tally_%s_%s', d.id, kind));
      if not found then
        problems := problems || format('%s %s has no %s trigger, its changes are not counted; remedy: %s',
                                       case when part = d.source then 'source' else 'partition' end, part, kind, reload);
      elsif enabled = 'D' then
        problems := problems || format('the %s trigger of %s is disabled; remedy: %s', kind, part, reload);
      elsif enabled <> 'A' then
        problems := problems || format('the %s trigger of %s does not fire for every session_replication_role; remedy: %s', kind, part, reload);
      end if;
    end loop;
  end loop;

  for part in select t from tally.left_behind(d.id, d.source) as t loop
    problems := problems || format('%s is no part of the source any more, but its changes are counted; remedy: %s', part, reload);
  end loop;

  -- By the names of columns: their numbers change with a dump and restore. No code of the owner runs here.
  for argument, read_name, type_then in
    select r ->> 'argument', r ->> 'name', r ->> 'type'
      from json_array_elements(case when json_typeof(d.code -> 'reads') = 'array' then d.code -> 'reads' else '[]' end) as r
     where r ->> 'argument' is not null and r ->> 'name' is not null and r ->> 'type' is not null
  loop
    select format_type(atttypid, null) into type_now
      from pg_attribute where attrelid = d.source and attname = read_name and attnum > 0 and not attisdropped;
    if not found then
      problems := problems || format('its %s reads column %I, which %s does not have any more, so that writing fails; remedy: '
                                     'select tally.alter_tally(%L, %s => ...) with the new name or without it',
                                     argument, read_name, d.source, $1, argument);
    elsif type_now <> type_then then
      problems := problems || format('its %s reads column %I, which is of type %s now, not %s; remedy: %s',
                                     argument, read_name, type_now, type_then, reload);
    end if;
  end loop;

  if d.generated = '' then
    problems := problems || format('its functions are of an older version of pgtally; remedy: %s', reload);
  end if;
  if exists (select from pg_proc
              where pronamespace = 'tally'::regnamespace and proname ~ format('^tally_%s_[a-z]+$', d.id) and proowner <> owner) then
    problems := problems || format('source %s belongs to %s now, its functions do not; remedy: %s', d.source, pg_get_userbyid(owner), reload);
  elsif exists (select from pg_proc
                 where pronamespace = 'tally'::regnamespace and proname ~ format('^tally_%s_[a-z]+$', d.id) and not prosecdef) then
    problems := problems || format('its functions were altered; remedy: %s', reload);
  end if;
  if not has_schema_privilege(owner, 'tally', 'usage') or not has_sequence_privilege(owner, 'tally.event_number', 'usage') then
    problems := problems || format('role %s lacks what its triggers need; remedy: %s', pg_get_userbyid(owner), reload);
  end if;
  if (select c.relrowsecurity and c.relforcerowsecurity and not r.rolbypassrls and not r.rolsuper
        from pg_class c join pg_roles r on r.oid = c.relowner where c.oid = d.source) then
    problems := problems || format('row level security hides rows of %s from its owner, the truth is an error; remedy: '
                                   'alter table %s no force row level security, or alter role %I bypassrls', d.source, d.source, pg_get_userbyid(owner));
  end if;
  if d.materialize is not null and tally.table_named(d.materialize) is null then
    problems := problems || format('table %s to keep the counters in is gone; remedy: %s', d.materialize, reload);
  end if;
  return problems;
end
$$;

-- The tallies whose functions must be generated again and all belong to the current owner of the source.
create or replace function tally.outdated() returns table (number integer, name text, owner oid)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select d.id, d.name, c.relowner
    from tally.definition d join pg_class c on c.oid = d.source
   where d.generated = ''
     and not exists (select from pg_proc
                      where pronamespace = 'tally'::regnamespace and proname ~ format('^tally_%s_[a-z]+$', d.id)
                        and proowner <> c.relowner)
   order by d.id
$$;

create or replace view tally.tallies as
  select d.name, d.source_name as source, d.key, d.counters, d.filter, d.transport, d.materialize, d.actions,
         tally.problems(d.name) as problems, d.key_type
    from tally.definition d;

revoke all on tally.tallies from public;
