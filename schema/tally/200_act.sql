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

-- The function that runs the actions of a tally. It checks deferred constraints before it returns, while the rights of the
-- owner apply.
create or replace function tally.generate_act(d tally.definition) returns setof text
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  branches text;
begin
  select string_agg(format(E'\n  %s %L then\n    execute %L using key, body;',
                           case m.place when 1 then 'if action =' else 'elsif action =' end, m.member, m.content), '' order by m.place)
    into branches
    from tally.members('actions'::text, coalesce(d.actions, '{}')) as m;
  return next format('create or replace function tally.tally_%s_act(action text, key text, body json) returns void '
                     'language plpgsql security definer %s as %L', d.id, tally.set_clauses(d, false),
    format(E'\nbegin%s%s\nend\n', tally.self_check(format('tally.tally_%s_act(text, text, json)', d.id)),
           coalesce(branches || E'\n  end if;\n  set constraints all immediate;', '')));
  return next format('revoke all on function tally.tally_%s_act(text, text, json) from public', d.id);
  return next format('grant execute on function tally.tally_%s_act(text, text, json) to %I', d.id,
                     (select pg_get_userbyid(nspowner) from pg_namespace where nspname = 'tally'));
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
  if barrier is not null then
    perform tally.send(d.transport, format('{"barrier":%s}', to_json(barrier)));
  end if;
end
$$;

-- Runs actions in one transaction, in this order, each undone alone if it fails. Returns the places of those, from 1. The barrier
-- proves that all are done: if one is not, it is not sent. Each action begins with the session's settings: `settings` and
-- `vals` are those that the server made itself, and what an action set for the transaction ends with it.
create or replace function tally.act_all(names text[], actions text[], keys text[], bodies text[], barrier text, settings text[], vals text[])
returns integer[]
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  failed integer[] := '{}';
begin
  for i in 1 .. cardinality(names) loop
    begin
      perform tally.act(names[i], actions[i], keys[i], nullif(bodies[i], '')::json, null);
    exception
      when others then
        failed := failed || i;
    end;
    -- No savepoint ends what the action set. RESET ALL resets the path of this function too.
    reset all;
    perform pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
  end loop;
  perform set_config(s, v, false) from unnest(settings, vals) as t (s, v) where current_setting(s, true) is not null;
  if failed = '{}' then
    perform tally.send(t.transport, format('{"barrier":%s}', to_json(barrier)))
       from (select distinct d.transport from tally.definition d where d.name = any (names)) as t;
  end if;
  return failed;
end
$$;
