-- The generator: from a definition to the text of its functions.
--
-- The whole cost for a writer is here. One query sums the rows of the statement per key and prints each key's part of an
-- event. The rest are expressions that PL/pgSQL evaluates without a query. If the parts do not fit into one event, a loop
-- distributes them over several.
--
-- Sums of bigint are numeric, so that no sum overflows. If a bigint cannot hold a sum, or if a statement changes more than
-- a million keys, the trigger sends a "reload" event.

-- An SQL expression that sends the text `payload` as an event. No other function knows the transports.
create or replace function tally.sending(transport text, payload text) returns text
language sql immutable set search_path = pg_catalog, pg_temp as $$
  select format('pg_catalog.pg_notify(''tally'', %s)', payload)
$$;

-- An SQL expression for an event of this tally, without the last members and the closing brace.
create or replace function tally.event_head(name text) returns text
language sql immutable set search_path = pg_catalog, pg_temp as $$
  select format('''{"t":"%s","x":"'' || pg_current_xact_id()::text || ''","n":'' || nextval(''tally.event_number'')::text || '
                ''',"at":'' || ((date_part(''epoch'', clock_timestamp()) * 1e6)::bigint)::text', name)
$$;

-- The SET clauses of a generated function.
create or replace function tally.set_clauses(d tally.definition, plain boolean) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select case when plain then 'set search_path = pg_catalog, pg_temp'
              else (select string_agg(format('set %s = %s', setting,
                                             case when setting = 'DateStyle' then value else quote_literal(value) end), ' ')
                      from tally.settings())
                   || ' set search_path = pg_catalog, ' || d.path end
$$;

-- The query of the sums per key, "select k, c1, c2, ... from ... group by k", over the rows that `kind` needs. The comment in
-- it is in the CONTEXT of an error, and so names the tally whose expression failed.
create or replace function tally.sums(d tally.definition, kind text) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  key text := case when (d.code ->> 'native')::boolean then format('(%s)', d.code ->> 'key')
                   else format('(%s)::text collate "C"', d.code ->> 'key') end;
  condition text := case when d.code ->> 'filter' is null then '' else format(' where %s', d.code ->> 'filter') end;
  rows_of text := case kind when 'insert' then 'new_rows' when 'delete' then 'old_rows' else d.source_name end;
  weights text;
  counters text;
begin
  if kind = 'update' then
    select string_agg(format('(%s) as w%s', c ->> 'sql', i), ', '),
           string_agg(format('coalesce(sum(w%s) filter (where is_new), 0) - coalesce(sum(w%s) filter (where not is_new), 0) as c%s',
                             i, i, i), ', ')
      into weights, counters
      from json_array_elements(d.code -> 'counters') with ordinality as e (c, i);
    return format('select /* tally "%s" */ k, %s from (select true as is_new, %s as k, %s from new_rows%s'
                  ' union all select false, %s, %s from old_rows%s) as changed group by k',
                  d.name, counters, key, weights, condition, key, weights, condition);
  end if;
  select string_agg(format('%scoalesce(sum(%s), 0) as c%s', case kind when 'delete' then '-' end, c ->> 'sql', i), ', ')
    into counters
    from json_array_elements(d.code -> 'counters') with ordinality as e (c, i);
  return format('select /* tally "%s" */ %s as k, %s from %s%s group by 1', d.name, key, counters, rows_of, condition);
end
$$;

-- The condition for a row of sums to count: the key is valid, and not all sums are 0.
create or replace function tally.condition(d tally.definition) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select 'k is not null'
         || case when (d.code ->> 'native')::boolean then '' else ' and octet_length(k) <= 512' end
         || ' and (' || (select string_agg(format('c%s <> 0', i), ' or ') from generate_series(1, json_array_length(d.code -> 'counters')) as i) || ')'
$$;

create or replace function tally.trigger_body(d tally.definition, kind text) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  head text := tally.event_head(d.name);
  reload text := format('if %s is null then null; end if; return null;', tally.sending(d.transport, head || ' || '',"reload":true}'''));
  send_deltas text := format('if %s is null then null; end if;',
                             tally.sending(d.transport, head || ' || '',"d":['' || deltas || '']}'''));
  part text;    -- SQL expression: the part of a key in an event
  wide text;    -- SQL condition: a bigint can hold each sum
  budget integer := 7999 - 95 - octet_length(d.name);  -- bytes for parts beside the longest head
begin
  part := case when (d.code ->> 'native')::boolean then '''["'' || k::text || ''"''' else '''['' || to_json(k)::text' end
          || (select string_agg(format(' || '','' || c%s::text', i), '') || ' || '']'''
                from generate_series(1, json_array_length(d.code -> 'counters')) as i);
  select string_agg(format('c%s between -9223372036854775808 and 9223372036854775807', i), ' and ') into wide
    from json_array_elements(d.code -> 'counters') with ordinality as e (c, i)
   where (c ->> 'type')::oid = 'int8'::regtype;
  if wide is not null then
    part := format('case when %s then %s end', wide, part);
  end if;
  return format($body$
#variable_conflict use_column
declare
  parts text[];
  part text;
  deltas text;
begin
  select array_agg(part) into parts
    from (select %1$s as part from (%2$s) as sums where %3$s limit 1000001) as counted;
  if parts is null then
    return null;
  end if;
  if cardinality(parts) > 1000000 %4$s then
    %5$s
  end if;
  deltas := array_to_string(parts, ',');
  if octet_length(deltas) <= %6$s then
    %7$s
    return null;
  end if;
  deltas := null;
  foreach part in array parts loop
    if octet_length(deltas) + octet_length(part) >= %6$s then
      %7$s
      deltas := part;
    else
      deltas := coalesce(deltas || ',', '') || part;
    end if;
  end loop;
  %7$s
  return null;
end
$body$, part, tally.sums(d, kind), tally.condition(d),
        case when wide is not null then 'or array_position(parts, null) is not null' else '' end,
        reload, budget, send_deltas);
end
$$;

-- TRUNCATE of the source sets every counter to 0. TRUNCATE of a partition removes rows that nothing has counted by key, so
-- replicas must load again.
create or replace function tally.truncate_body(d tally.definition) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select format($body$
begin
  if %s is null then null; end if;
  return null;
end
$body$, tally.sending(d.transport, tally.event_head(d.name)
        || ' || case tg_argv[0] when ''source'' then '',"truncate":true}'' else '',"reload":true}'' end'))
$$;

-- The beginning of every function that the schema's owner calls. If the owner of the function has altered it to run with
-- the rights of the caller, it fails here, before any other code of the owner. All names are qualified, because the owner
-- can also have altered the search_path of the function.
create or replace function tally.self_check(owner name) returns text
language sql immutable set search_path = pg_catalog, pg_temp as $$
  select format($body$
  if (current_user)::pg_catalog.text operator(pg_catalog.<>) (%L)::pg_catalog.text then
    raise exception 'a function that pgtally generated was altered' using errcode = '42501', hint = 'Call tally.reload.';
  end if;$body$, owner)
$$;

-- 200_act.sql replaces it.
create or replace function tally.generate_act(d tally.definition, owner name) returns setof text
language sql as 'select null::text where false';

-- The statements that create the functions of a tally. The owner runs them.
create or replace function tally.generate_functions(d tally.definition, owner name) returns setof text
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  kind text;
  schema_owner name := (select pg_get_userbyid(nspowner) from pg_namespace where nspname = 'tally');
  counters integer := json_array_length(d.code -> 'counters');
begin
  foreach kind in array array['insert', 'update', 'delete', 'truncate'] loop
    return next format('create or replace function tally.tally_%s_%s() returns trigger language plpgsql security definer %s as %L',
                       d.id, kind, tally.set_clauses(d, (d.code ->> 'plain')::boolean),
                       case kind when 'truncate' then tally.truncate_body(d) else tally.trigger_body(d, kind) end);
    return next format('revoke all on function tally.tally_%s_%s() from public', d.id, kind);
  end loop;

  return next format('create or replace function tally.tally_%s_truth() returns table (k text, c bigint[]) '
                     'language plpgsql stable security definer %s set row_security = off as %L',
    d.id, tally.set_clauses(d, (d.code ->> 'plain')::boolean),
    format(E'\n#variable_conflict use_column\nbegin%s\n  return query select k::text, array[%s]::bigint[] from (%s) as sums where %s;\nend\n',
           tally.self_check(owner),
           (select string_agg('c' || i, ', ') from generate_series(1, counters) as i),
           tally.sums(d, 'truth'::text), tally.condition(d)));
  return next format('create or replace function tally.tally_%s_lock() returns void '
                     'language plpgsql security definer set search_path = pg_catalog, pg_temp as %L',
    d.id, format(E'\nbegin%s\n  lock table %s in access share mode;\nend\n', tally.self_check(owner), d.source_name));
  foreach kind in array array['truth', 'lock'] loop
    return next format('revoke all on function tally.tally_%s_%s() from public', d.id, kind);
    return next format('grant execute on function tally.tally_%s_%s() to %I', d.id, kind, schema_owner);
  end loop;

  return query select * from tally.generate_act(d, owner);
end
$$;

-- The hash of the functions that this installation generates for a definition. tally.build() records it.
create or replace function tally.hash_of_functions(d tally.definition, owner name) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select md5(string_agg(statement, E'\n' order by place))
    from tally.generate_functions(d, owner) with ordinality as g (statement, place)
   where statement like 'create %'  -- grants name the schema's owner, who is no part of a function
$$;

-- Whether the functions of a tally differ from those that this installation generates. That can change with an installation
-- only: 900_finish.sql asks, and records the answer.
create or replace function tally.is_outdated(d tally.definition) returns boolean
language sql stable set search_path = pg_catalog, pg_temp as $$
  select d.generated <> tally.hash_of_functions(d, pg_get_userbyid(coalesce(
           (select proowner from pg_proc
             where pronamespace = 'tally'::regnamespace and proname = format('tally_%s_truth', d.id)),
           (select relowner from pg_class where oid = d.source))))
$$;

-- Tables that have triggers of the tally but are not part of its source: detached partitions, a former source.
create or replace function tally.left_behind(number integer, source regclass) returns setof regclass
language sql stable set search_path = pg_catalog, pg_temp as $$
  select distinct t.tgrelid::regclass
    from pg_trigger t join pg_proc p on p.oid = t.tgfoid
   where p.pronamespace = 'tally'::regnamespace and p.proname ~ format('^tally_%s_[a-z]+$', number)
     and t.tgrelid not in (select part from tally.parts(source) as part)
$$;

-- The statements that create its triggers on every part of the source where they are missing or wrong, and that drop them
-- from all other tables.
create or replace function tally.generate_triggers(d tally.definition) returns setof text
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  kind text;
  part regclass;
  argument text;
begin
  for part in select p from tally.left_behind(d.id, d.source) as p loop
    foreach kind in array array['insert', 'update', 'delete', 'truncate'] loop
      return next format('drop trigger if exists tally_%s_%s on %s', d.id, kind, part);
    end loop;
  end loop;
  for part in select p from tally.parts(d.source) as p loop
    foreach kind in array array['insert', 'update', 'delete', 'truncate'] loop
      argument := case when kind <> 'truncate' then '' when part = d.source then 'source' else 'part' end;
      -- A trigger that is right stays: PostgreSQL refuses to replace one while deferred checks of its table are pending.
      continue when exists (select from pg_trigger
                             where tgrelid = part and tgname = format('tally_%s_%s', d.id, kind) and tgenabled = 'A'
                               and tgfoid = to_regproc(format('tally.tally_%s_%s', d.id, kind))
                               and tgargs = convert_to(argument, 'UTF8') || decode(case when argument = '' then '' else '00' end, 'hex'));
      return next format('create or replace trigger tally_%s_%s after %s on %s %s for each statement execute function tally.tally_%s_%s(%s)',
        d.id, kind, kind, part,
        case kind when 'insert' then 'referencing new table as new_rows'
                  when 'delete' then 'referencing old table as old_rows'
                  when 'update' then 'referencing old table as old_rows new table as new_rows' else '' end,
        d.id, kind, case when argument = '' then '' else quote_literal(argument) end);
      return next format('alter table %s enable always trigger tally_%s_%s', part, d.id, kind);
    end loop;
  end loop;
end
$$;
