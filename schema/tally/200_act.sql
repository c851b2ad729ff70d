-- Version 2: actions, the statements behind POST.
--
-- An action is SQL of the source's owner and runs with the owner's rights, so that a server needs no right on the tables of
-- the application. It stands in a generated function, which belongs to the owner, and not in a table, which another role
-- could change.

-- Refuses an action that is not one statement of an allowed kind. Runs nothing of it.
create or replace function tally.check_action(owner oid, name text, statement text, path text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  state text;
  message text;
  remedy text;
  first_word text := lower(substring(statement from E'^(?:[[:space:]]|[(]|--[^\n]*(?:\n|$)|/[*].*?[*]/)*([A-Za-z]+)'));
begin
  if coalesce(first_word, '') not in ('select', 'insert', 'update', 'delete', 'merge', 'with') then
    raise exception 'only SELECT, INSERT, UPDATE, DELETE, MERGE and WITH can be an action' using errcode = '42601';
  end if;
  -- OPEN fails for a statement that returns no rows too. Only the message for that case names the kind of the statement, in
  -- every language of messages.
  perform set_config('search_path', 'pg_catalog, ' || path, true);
  perform tally.open_as_owner(owner, statement);
  perform set_config('search_path', 'pg_catalog, pg_temp', true);
exception
  when others then
    get stacked diagnostics state = returned_sqlstate, message = message_text, remedy = pg_exception_hint;
    if state = '42P11' then
      if message ~ '(INSERT|UPDATE|DELETE|MERGE)' then
        return;
      end if;
      message := 'it must be exactly one SELECT, INSERT, UPDATE, DELETE, MERGE or WITH';
      state := '42601';
    elsif state = '57014' then
      raise;
    end if;
    raise exception 'actions: "%": %', name, message
      using errcode = state, detail = format('The statement: %s', statement),
            hint = case
              when coalesce(remedy, '') <> '' and state <> '42883' and state <> '42804' then remedy
              when state = '42601' then 'Write exactly one complete SELECT, INSERT, UPDATE, DELETE, MERGE or WITH; '
                                         '$1 is the key, $2 the body.'
              when state in ('42P01', '42703', '42704', '3F000')
                then format('Names were looked for in %s: write the schema before a name that is elsewhere.', path)
              else '$1 is the key as text, $2 the request''s body as json or null: cast them, as in $1::bigint.' end;
end
$$;

create or replace function tally.check_actions(owner oid, d tally.definition) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  m record;
begin
  if d.actions is not null then
    for m in select * from tally.members('actions'::text, d.actions) loop
      perform tally.check_action(owner, m.member, m.content, d.path);
    end loop;
  end if;
end
$$;

-- A statement of PL/pgSQL that runs an action, whose parameters are $1 and $2 of the function too.
--
-- PL/pgSQL keeps the plan of a statement that stands in it, which is most of what a small action costs. But it has to know
-- where the statement ends and whether it returns rows, and has names of its own; and a plan keeps what a literal meant when
-- it was made, as 'today' or the number of a function. So what is not surely one SELECT without INTO, or one INSERT, UPDATE,
-- DELETE or MERGE without RETURNING, and without such literals, is planned anew each time. A word is looked for without its
-- beginning, because a number may stand right before it.
create or replace function tally.running(statement text, kept boolean) returns text
language sql immutable set search_path = pg_catalog, pg_temp set standard_conforming_strings = on as $$
  select case when not kept or one ~* '[;\\]|u&|(into\M.*into|found|returning)\M' then planned_anew
              when one ~* 'today|tomorrow|yesterday|now(?!\s*\()|reg(class|proc|procedure|type|role|namespace|oper|operator|config|dictionary|collation)\M'
                then planned_anew
              when one ~* '^select\M' and one !~* 'into\M' then format(E'perform%s\n    ;', substr(one, 7))
              when one ~* '^(insert|update|delete|merge)\M' then format(E'%s\n    ;', one)
              else planned_anew end
    from regexp_replace(statement, '^\s+|;\s*$', '', 'g') as one,
         format('execute %L using $1, $2;', statement) as planned_anew
$$;

-- The function that runs an action of a tally, with the rights of whoever calls it, under the settings of the tally. Deferred
-- constraints are checked while the rights of the source's owner apply. `kept`: the plans are kept where they can be.
create or replace function tally.run_function(d tally.definition, kept boolean) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  branches text;
begin
  select string_agg(format(E'\n  if $3 operator(pg_catalog.=) %L then\n    %s\n    set constraints all immediate;\n    return;\n  end if;',
                           m.member, tally.running(m.content, kept)), '' order by m.place)
    into branches
    from tally.members('actions'::text, coalesce(d.actions, '{}')) as m;
  return format('create or replace function tally.tally_%s_run(text, json, text) returns void language plpgsql %s as %L', d.id,
                tally.set_clauses(d, false),
                format(E'\n#variable_conflict use_column\nbegin%s\n  raise exception ''there is no such action'' using errcode = ''TL404'';\nend\n',
                       branches));
end
$$;

-- The functions that run the actions of a tally: `act` and `acts` call `run`, and the schema's owner calls them. `act` runs one
-- action, whose error is the caller's, `acts` several, each of which is undone alone if it fails.
create or replace function tally.generate_act(d tally.definition) returns setof text
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  schema_owner name := (select pg_get_userbyid(nspowner) from pg_namespace where nspname = 'tally');
  act text := format('tally.tally_%s_act(text, text, json)', d.id);
  acts text := format('tally.tally_%s_acts(text[], text[], text[], text[])', d.id);
  called text;
begin
  return next tally.run_function(d, true);
  return next format('revoke all on function tally.tally_%s_run(text, json, text) from public', d.id);
  return next format('create or replace function tally.tally_%s_act(action text, key text, body json) returns void '
                     'language plpgsql security definer set search_path = pg_catalog, pg_temp as %L', d.id,
    format(E'\nbegin%s\n  perform tally.tally_%s_run(key, body, action);\nend\n', tally.self_check(act), d.id));
  return next format('create or replace function tally.tally_%s_acts(names text[], actions text[], keys text[], bodies text[]) '
                     'returns integer[] language plpgsql security definer set search_path = pg_catalog, pg_temp as %L', d.id,
    format($body$
declare
  failed integer[] := '{}';
begin%s
  for i in 1 .. cardinality(names) loop
    continue when names[i] is distinct from %L;
    begin
      perform tally.tally_%s_run(keys[i], nullif(bodies[i], '')::json, actions[i]);
    exception
      when others then
        failed := failed || i;
    end;
    -- No savepoint ends what the action set. RESET ALL resets the path of this function too.
    reset all;
    perform pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
  end loop;
  return failed;
end
$body$, tally.self_check(acts), d.name, d.id));
  foreach called in array array[act, acts] loop
    return next format('revoke all on function %s from public', called);
    return next format('grant execute on function %s to %I', called, schema_owner);
  end loop;
end
$$;

create or replace function tally.act(name text, action text, key text, body json, barrier text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  d tally.definition;
begin
  select * into d from tally.definition t where t.name = $1;
  if not found then
    raise exception 'there is no tally "%"', $1 using errcode = 'TL404', hint = 'select name from tally.tallies lists all.';
  elsif d.actions -> action is null then
    raise exception 'tally "%" has no action "%"', $1, action
      using errcode = 'TL404', hint = 'select actions from tally.tallies lists all.';
  end if;
  execute format('select tally.tally_%s_act($1, $2, $3)', d.id) using action, key, body;
  perform tally.restore_path();
  if barrier is not null then
    perform tally.send(d.transport, format('{"barrier":%s}', to_json(barrier)));
  end if;
end
$$;

-- Runs actions in one transaction, those of a tally in this order, each undone alone if it fails. Returns the places of those,
-- from 1. The barrier proves that all are done: if one is not, it is not sent. Each action begins with the session's settings:
-- `settings` and `vals` are those that the server made itself, of times only, because this function's rights are not the
-- caller's. What an action set for the transaction ends with it.
create or replace function tally.act_all(names text[], actions text[], keys text[], bodies text[], barrier text, settings text[], vals text[])
returns integer[]
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  d tally.definition;
  rest text[] := array(select unnest(names));  -- whatever its bounds are
  undone integer[];
  failed integer[] := '{}';
  transports text[] := '{}';
begin
  names := rest;
  while rest <> '{}' loop
    select * into d from tally.definition t where t.name = rest[1];
    begin
      execute format('select tally.tally_%s_acts($1, $2, $3, $4)', d.id) into undone using names, actions, keys, bodies;
    exception
      -- There is no such tally, its functions are of an older version or were altered: its actions run alone.
      when others then
        undone := array_positions(names, rest[1]);
    end;
    reset all;
    perform pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    failed := failed || undone;
    if d.transport <> all (transports) then
      transports := transports || d.transport;
    end if;
    rest := array_remove(rest, rest[1]);
  end loop;
  perform set_config(s, v, false) from unnest(settings, vals) as t (s, v)
    where current_setting(s, true) is not null
      and s in ('statement_timeout', 'transaction_timeout', 'idle_in_transaction_session_timeout', 'idle_session_timeout',
                'tcp_user_timeout', 'tcp_keepalives_idle', 'tcp_keepalives_interval', 'tcp_keepalives_count');
  if failed = '{}' then
    perform tally.send(t, format('{"barrier":%s}', to_json(barrier))) from unnest(transports) as t;
  end if;
  return failed;
end
$$;
