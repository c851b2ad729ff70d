-- Findings: what keeps a tally from being exact, from the catalogs alone. No code of an owner runs here.
--
-- Each is a row: kind, a stable word; subject, the object that it is about; message; remedy, a statement or what to do; and
-- severity. 'failed': the counters are not the truth, and a load would not help for long. 'warning': all else.

-- A source that is lost: dropped, or renamed while another table has its name. It ends the search for others.
create or replace function tally.source_findings(d tally.definition)
returns table (kind text, subject text, message text, remedy text, severity text)
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  today text := tally.name_of(d.source);
  namesake regclass := tally.namesake(d);
  unfit record;
begin
  if today is null and namesake is null then
    return query select 'source_lost', d.source_name, format('source %s was dropped', d.source_name),
                        format('select tally.drop_tally(%L)', d.name), 'failed';
  elsif today is null then
    return query select 'source_lost', d.source_name, format('source %s was dropped and another table has its name', d.source_name),
                        format('select tally.reload(%L)', d.name), 'failed';
  elsif namesake <> d.source then
    return query select 'source_lost', d.source_name,
                        format('source %s was renamed to %s and another table has its name', d.source_name, today),
                        format('select tally.reload(%L)', d.name), 'failed';
  else
    select * into unfit from tally.unfit_source(d.source);
    if unfit.problem is not null then
      return query select 'source_changed', today, format('source %s is %s', today, unfit.problem), unfit.remedy, 'failed';
    end if;
  end if;
end
$$;

-- Triggers that are missing, disabled, or on tables that are no part of the source.
create or replace function tally.trigger_findings(d tally.definition)
returns table (kind text, subject text, message text, remedy text, severity text)
language sql stable set search_path = pg_catalog, pg_temp as $$
  select case when t.tgname is null then 'missing_trigger' else 'disabled_trigger' end, part::text,
         case when t.tgname is null
              then format('%s %s has no %s trigger, its changes are not counted',
                          case when part = d.source then 'source' else 'partition' end, part, event)
              when t.tgenabled = 'D' then format('the %s trigger of %s is disabled', event, part)
              else format('the %s trigger of %s does not fire for every session_replication_role', event, part) end,
         format('select tally.reload(%L)', d.name), 'failed'
    from tally.parts(d.source) as part join pg_class c on c.oid = part and c.relkind <> 'f'
         cross join unnest(array['insert', 'update', 'delete', 'truncate']) as event
         left join pg_trigger t on t.tgrelid = part and t.tgname = format('tally_%s_%s', d.id, event)
                                   and t.tgfoid = to_regproc(format('tally.tally_%s_%s', d.id, event))
   where t.tgenabled is distinct from 'A'
  union all
  select 'left_behind', behind::text, format('%s is no part of the source any more, but its changes are counted', behind),
         format('select tally.reload(%L)', d.name), 'failed'
    from tally.left_behind(d.id, d.source) as behind
  union all
  select 'replicated', part::text, format('subscription %s applies rows to %s, and fires no statement trigger', quote_ident(s.subname), part),
         format('count in the publishing database, and select tally.drop_tally(%L) here', d.name), 'warning'
    from tally.parts(d.source) as part join pg_subscription_rel r on r.srrelid = part join pg_subscription s on s.oid = r.srsubid
$$;

-- Columns that the expressions read.
create or replace function tally.column_findings(d tally.definition)
returns table (kind text, subject text, message text, remedy text, severity text)
language sql stable set search_path = pg_catalog, pg_temp as $$
  with read as (
    select distinct substring(e.suffix from '^(key|filter)|^c') as suffix, c.recorded, c.name, c.number, c.type, p.proargtypes[r.i - 1] as type_then
      from tally.expressions(d) as e
           cross join lateral (select i, place from json_array_elements(e.code -> 'columns') with ordinality as u (column_read, i),
                                                    json_to_record(column_read) as x (place integer)) as r
           join tally.columns_today(d) as c on c.place = r.place
           left join pg_proc p on p.pronamespace = 'tally'::regnamespace and p.proname = format('tally_%s_%s', d.id, e.suffix))
  select 'column_dropped', recorded,
         format('its %s reads column %I, which %s does not have any more', coalesce(suffix, 'counters'), recorded, d.source),
         format('select tally.alter_tally(%L, %s => ...) with an expression that does not read it', d.name, coalesce(suffix, 'counters')), 'failed'
    from read where number is null
  union all
  select 'column_changed', name,
         format('its %s reads column %I, which is of type %s now, not %s', coalesce(suffix, 'counters'), name, format_type(type, -1), format_type(type_then, -1)),
         format('select tally.reload(%L)', d.name),
         case when suffix is distinct from 'key' and exists (select from pg_cast where castsource = type and casttarget = type_then
                                                                                     and castcontext = 'i') then 'warning' else 'failed' end
    from read where type <> type_then
  union all
  select 'column_renamed', name, format('column %I is named %I now: counting it takes writers longer', recorded, name),
         format('select tally.reload(%L)', d.name), 'warning'
    from (select distinct number, recorded, name from read where number is not null and name <> recorded order by 1) as renamed
$$;

-- The generated functions, and the rights that they need.
create or replace function tally.function_findings(d tally.definition)
returns table (kind text, subject text, message text, remedy text, severity text)
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  owner oid := (select relowner from pg_class where oid = d.source);
  owner_name name := pg_get_userbyid(owner);
  reload text := format('select tally.reload(%L)', d.name);
  other oid;
begin
  if d.generated = '' or d.v is null then
    return query select 'outdated', d.name, 'its functions are of an older version of pgtally', reload, 'warning';
  else
    return query
      select 'function_gone', format('tally.tally_%s_%s', d.id, e.suffix), format('the function tally.tally_%s_%s is gone', d.id, e.suffix),
             reload, 'failed'
        from (select x.suffix from tally.expressions(d) as x union all values ('truth'), ('lock'), ('run'), ('act'), ('acts'), ('try')) as e
       where not exists (select from pg_proc where pronamespace = 'tally'::regnamespace and proname = format('tally_%s_%s', d.id, e.suffix));
  end if;
  select proowner into other from tally.functions_of(d.id) where proowner <> owner limit 1;
  if found then
    return query select 'owner_changed', d.source::text, format('source %s belongs to %s now, its functions do not', d.source, owner_name), reload,
                        case when has_table_privilege(other, d.source, 'select') then 'warning' else 'failed' end;
  elsif exists (select from tally.functions_of(d.id) where prosecdef = (proname ~ '_(key|filter|c[0-9]+|run)$')) then
    return query select 'altered', d.name, 'its functions were altered', reload, 'failed';
  end if;
  other := coalesce(other, owner);
  if not has_schema_privilege(other, 'tally', 'usage') or not has_sequence_privilege(other, 'tally.event_number', 'usage')
     or exists (select from unnest(tally.owner_functions()) as f where not has_function_privilege(other, 'tally.' || f, 'execute')) then
    return query select 'rights', pg_get_userbyid(other)::text, format('role %s lacks what its triggers need', pg_get_userbyid(other)), reload, 'failed';
  end if;
  if exists (select from tally.functions_of(d.id) where has_function_privilege('public', oid, 'execute')) then
    return query select 'rights', 'public', 'its functions are executable by every role that may use schema tally', reload, 'warning';
  end if;
  if not has_database_privilege(owner, current_database(), 'temporary') then
    return query select 'rights', owner_name::text, format('role %s may not create temporary objects, so reload would fail', owner_name),
                        format('grant temporary on database %I to %I', current_database(), owner_name), 'warning';
  end if;
  if (select c.relrowsecurity and c.relforcerowsecurity and not r.rolbypassrls and not r.rolsuper
        from pg_class c join pg_roles r on r.oid = c.relowner where c.oid = d.source) then
    return query select 'row_security', d.source::text, format('row level security hides rows of %s from its owner, the truth is an error', d.source),
                        format('alter table %s no force row level security, or alter role %I bypassrls', d.source, owner_name), 'failed';
  end if;
  if d.materialize is not null and tally.table_named(d.materialize) is null then
    return query select 'materialize_gone', d.materialize, format('table %s to keep the counters in is gone', d.materialize), reload, 'warning';
  end if;
end
$$;

create or replace function tally.findings(name text)
returns table (kind text, subject text, message text, remedy text, severity text)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp set jit = off as $$
#variable_conflict use_column
declare
  d tally.definition := tally.look_up($1);
begin
  if d.id is null then
    return;
  end if;
  return query select * from tally.source_findings(d);
  if exists (select from tally.source_findings(d) as f where f.kind = 'source_lost') then
    return;
  end if;
  return query select * from tally.trigger_findings(d)
     union all select * from tally.column_findings(d)
     union all select * from tally.function_findings(d)
     union all select * from tally.transport_findings(d);
end
$$;

-- Those of all tallies, and of the schema: then `name` is null.
create or replace function tally.findings()
returns table (name text, kind text, subject text, message text, remedy text, severity text)
language sql stable security definer set search_path = pg_catalog, pg_temp set jit = off as $$
  select d.name, f.* from tally.definition d, tally.findings(d.name) as f
  union all
  select null, 'orphan', t.tgrelid::regclass::text,
         format('%s has the trigger %I of a tally that does not exist', t.tgrelid::regclass, t.tgname),
         format('drop trigger %I on %s', t.tgname, t.tgrelid::regclass), 'warning'
    from pg_trigger t join pg_proc p on p.oid = t.tgfoid
   where p.pronamespace = 'tally'::regnamespace and p.proname ~ tally.generated_name()
     and substring(p.proname from '[0-9]+')::integer not in (select id from tally.definition)
$$;

-- The same as text, as the view tally.tallies shows it.
create or replace function tally.problems(name text) returns text[]
language sql stable security definer set search_path = pg_catalog, pg_temp set jit = off as $$
  select case when exists (select from tally.definition d where d.name = $1)
              then coalesce((select array_agg(format('%s; remedy: %s', f.message, f.remedy)) from tally.findings($1) as f), '{}') end
$$;

-- The tallies whose functions must be generated again and all belong to the current owner of the source.
create or replace function tally.outdated() returns table (number integer, name text, owner oid)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select d.id, d.name, c.relowner
    from tally.definition d join pg_class c on c.oid = d.source
   where d.generated = ''
     and not exists (select from tally.functions_of(d.id) where proowner <> c.relowner)
   order by d.id
$$;

create or replace view tally.tallies as
  select d.name, coalesce(tally.name_of(d.source), d.source_name) as source, d.key, d.counters, d.filter, d.transport, d.materialize, d.actions,
         tally.problems(d.name) as problems, d.key_type, d.v
    from tally.definition d;

revoke all on tally.tallies from public;
