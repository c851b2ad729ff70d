-- The registry: the steps that need the rights of the schema's owner. Each function requires a stand-in (040_owner.sql), so
-- that a direct call gives no role more than create_tally, alter_tally, drop_tally and reload do. Nothing that a caller says
-- is believed but the arguments as they were written: what they mean is understood here.

-- The roles that may alter or drop a tally: the owner of the source; the owner of the generated functions, who differs if
-- the source was dropped or has another owner now; if neither exists, the schema's owner.
create or replace function tally.owners(d tally.definition) returns setof oid
language sql stable set search_path = pg_catalog, pg_temp as $$
  with owner (oid) as (
    select relowner from pg_class where oid = d.source
    union
    select proowner from pg_proc where pronamespace = 'tally'::regnamespace and proname = format('tally_%s_truth', d.id))
  select oid from owner
  union all
  select nspowner from pg_namespace where nspname = 'tally' and not exists (select from owner)
$$;

-- The definition with that name, or null, for functions that run with the rights of the caller.
create or replace function tally.look_up(name text) returns tally.definition
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select d from tally.definition d where d.name = $1
$$;

-- Tells servers by one transport that the definition is another one. By wal only if that is allowed: a tally must be able to
-- leave this transport, and NOTIFY tells too.
create or replace function tally.announce_by(transport text, name text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if transport = 'notify' or has_function_privilege(tally.sender(transport), 'execute') then
    perform tally.send(transport, format('{"t":%s,"v":%s,"x":"%s","n":%s,"definition":true}', to_json(name),
                                         coalesce((tally.look_up(name)).v, 0), pg_current_xact_id(), nextval('tally.event_number')));
  end if;
end
$$;

create or replace function tally.announce(name text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  -- By NOTIFY, for every transport: a server that does not know the tally yet listens there. And by its own: no event of the new
  -- definition comes before this one, because writers wait until this transaction ends.
  perform tally.announce_by('notify'::text, name);
  if (tally.look_up(name)).transport = 'wal' then
    perform tally.announce_by('wal'::text, name);
  end if;
end
$$;

-- Makes every replica load the tally again.
create or replace function tally.ask_for_reload(name text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  d tally.definition := tally.look_up(name);
begin
  perform tally.send(d.transport, format('{"t":%s,"v":%s,"x":"%s","n":%s,"at":%s,"reload":true}', to_json(name), d.v, pg_current_xact_id(),
                                         nextval('tally.event_number'), (date_part('epoch', clock_timestamp()) * 1e6)::bigint));
end
$$;

-- Drops the generated functions of tallies that do not exist, and with them their triggers: a dump without data leaves them.
create or replace function tally.drop_orphans() returns void
language plpgsql set search_path = pg_catalog, pg_temp set client_min_messages = notice as $$
declare
  orphan name;
  tables text;
  locks integer;
  soon timestamptz := clock_timestamp() + tally.hurry();  -- the source is locked
  lock_before text := current_setting('lock_timeout');
begin
  for orphan, tables, locks in
    select p.proname, (select string_agg(distinct t.tgrelid::regclass::text, ', ') from pg_trigger t where t.tgfoid = p.oid),
           (select greatest(count(distinct t.tgrelid), 1) from pg_trigger t where t.tgfoid = p.oid)
      from pg_proc p
     where p.pronamespace = 'tally'::regnamespace and p.proname ~ tally.generated_name()
       and substring(p.proname from '[0-9]+')::integer not in (select id from tally.definition)
     order by p.oid
  loop
    if tables is not null then
      raise notice '%: the trigger that calls % is dropped, because its tally does not exist', tables, orphan;
    end if;
    perform set_config('client_min_messages', 'warning', true);  -- PostgreSQL names what else is dropped
    begin
      -- PostgreSQL counts the time of each lock anew.
      perform set_config('lock_timeout', greatest(1000 * date_part('epoch', soon - clock_timestamp()) / locks, 1)::integer::text, true);
      execute format('drop function tally.%I cascade', orphan);
    exception
      when lock_not_available then
        raise exception 'triggers of a tally that does not exist are on %, which is in use', tables
          using errcode = '55P03', detail = 'Nothing was changed.', hint = 'They must be dropped first. Try again later.';
    end;
    perform set_config('client_min_messages', 'notice', true);
  end loop;
  perform set_config('lock_timeout', lock_before, true);
end
$$;

-- Creates the functions of a definition and, if `triggers_too`, its triggers. The source must be locked for triggers.
create or replace function tally.build(number integer, triggers_too boolean) returns void
language plpgsql
set search_path = pg_catalog, pg_temp set DateStyle = 'ISO, YMD' set IntervalStyle = postgres set TimeZone = 'UTC'
set extra_float_digits = 1 set bytea_output = hex set standard_conforming_strings = on set array_nulls = on
set transform_null_equals = off set quote_all_identifiers = off set xmloption = content set check_function_bodies = on as $$
declare
  d tally.definition;
  owner oid;
  owner_name name;
  can_create boolean;
  statement text;
  held name;
begin
  -- One session at a time: two that grant and revoke on one schema fail with "tuple concurrently updated".
  lock table tally.definition in share row exclusive mode;
  select * into strict d from tally.definition t where t.id = number;
  owner := (select relowner from pg_class where oid = d.source);
  owner_name := pg_get_userbyid(owner);
  if owner is null or not tally.stands_in(owner) then
    raise exception 'this session has not proven that it may act as the owner of %', d.source_name
      using errcode = '42501', hint = 'Call create_tally, alter_tally or reload.';
  end if;
  update tally.definition t set generated = tally.hash_of_functions(d) where t.id = number;
  perform tally.grant_owner(owner);

  -- Their parameters can have other types now. No writer is under way: the source is locked. (By name, for this role need not
  -- have a right on the schemas of those types.)
  if triggers_too then
    for held in select proname from pg_proc where pronamespace = 'tally'::regnamespace and proname ~ format('^tally_%s_(key|filter|c[0-9]+)$', number) loop
      execute format('drop function tally.%I', held);
    end loop;
  end if;

  -- The owner has CREATE on the schema only while the generated statements run. They run no code of the owner.
  can_create := has_schema_privilege(owner, 'tally', 'create');
  if not can_create then
    execute format('grant create on schema tally to %I', owner_name);
  end if;
  for statement in
    select tally.generate_functions(d)
    union all
    select tally.generate_triggers(d) where triggers_too
  loop
    begin
      perform tally.as_owner(owner, statement);
    exception
      when others then
        -- An action that this version of PostgreSQL does not understand any more is no reason not to count: it fails when it runs.
        if sqlstate = '42601' and statement ^@ format('create or replace function tally.tally_%s_run(', d.id) then
          perform tally.as_owner(owner, tally.run_function(d, false));
          continue;
        end if;
        raise exception 'tally "%": its functions and triggers cannot be created: %', d.name, sqlerrm
          using errcode = sqlstate, detail = format('The statement: %s', left(statement, 200)),
                hint = tally.event_trigger_hint();
    end;
  end loop;
  if not can_create then
    execute format('revoke create on schema tally from %I', owner_name);
  end if;
end
$$;

-- Records a definition, new (no id) or changed, and creates its functions and triggers. `fresh` has the arguments among key,
-- counters, filter, materialize and actions that are new.
create or replace function tally.register(d tally.definition, fresh text[]) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set client_min_messages = warning as $$
declare
  known tally.definition;
  owner oid := (select relowner from pg_class where oid = d.source);
  stale name;
begin
  if owner is null or not tally.stands_in(owner) then
    raise exception 'this session has not proven that it may act as the owner of %', d.source
      using errcode = '42501', hint = 'Call create_tally, alter_tally or reload.';
  end if;
  perform tally.check_form(d);
  perform tally.check_source(d.source);
  d.path := tally.quoted_path(d.path);
  d.source_name := tally.name_of(d.source);

  lock table tally.definition in share row exclusive mode;
  select * into known from tally.definition t where t.name = d.name;
  if d.id is null and known.id is not null then
    raise exception 'name: there is a tally "%" already, with another definition', d.name
      using errcode = '42710', hint = 'Change it with alter_tally, or drop it with drop_tally first.';
  elsif d.id is not null and known.id is distinct from d.id then
    raise exception 'tally "%" was dropped meanwhile', d.name using errcode = '42704', hint = 'Create it with create_tally.';
  elsif d.id is not null and owner not in (select tally.owners(known)) then
    raise exception 'tally "%" belongs to %', d.name, known.source_name
      using errcode = '42501', hint = 'Its owner has to drop it first.';
  end if;

  if d.transport = 'wal' then
    perform tally.prepare_wal(owner, d, known.transport is distinct from 'wal');
  end if;

  -- What was understood before: not what the caller says of it.
  d.code := known.code;
  d.attnums := known.attnums;
  d.place := known.place;
  d := tally.understand_all(owner, d, case when known.id is null or known.source_name <> d.source_name and known.source <> d.source
                                           then fresh || array['key', 'counters', 'filter'] else fresh end);
  -- What was there before does not stand in the way of a repair: the tally counts without it.
  if 'actions' = any (fresh) then
    perform tally.check_actions(owner, d);
  end if;
  if d.materialize is not null then
    begin
      d := tally.prepare_materialize(owner, d);
    exception
      when others then
        if 'materialize' = any (fresh) then
          raise;
        end if;
        raise warning 'tally "%": %', d.name, sqlerrm using errcode = sqlstate;
    end;
  end if;

  if d.id is null then
    perform tally.drop_orphans();
    d.v := nextval('tally.definition_number');
    insert into tally.definition (name, source, source_name, key, counters, filter, transport, materialize, actions, path,
                                  key_type, code, v, attnums, place)
    values (d.name, d.source, d.source_name, d.key, d.counters, d.filter, d.transport, d.materialize, d.actions, d.path,
            d.key_type, d.code, d.v, d.attnums, d.place)
    returning id into d.id;
  else
    d.v := known.v;
    if d.v is null or known.source <> d.source or known.key_type <> d.key_type or known.transport <> d.transport
       or known.generated <> tally.hash_of_functions(d) then
      d.v := nextval('tally.definition_number');
    end if;
    update tally.definition t
       set source = d.source, source_name = d.source_name, key = d.key, counters = d.counters, filter = d.filter,
           transport = d.transport, materialize = d.materialize, actions = d.actions, path = d.path, key_type = d.key_type,
           code = d.code, v = d.v, attnums = d.attnums, place = d.place
     where t.id = d.id;
    if known.transport = 'wal' and d.transport <> 'wal' then
      perform tally.announce_by('wal'::text, d.name);  -- tally.announce() uses the new transport only
    end if;
    -- Functions of another owner cannot be replaced, and a former source keeps its triggers: drop both.
    for stale in
      select proname from tally.functions_of(d.id)
       where (proowner <> owner or known.source <> d.source)
    loop
      execute format('drop function tally.%I cascade', stale);
    end loop;
  end if;

  perform tally.build(d.id, true);
end
$$;

-- Generates the functions of a tally again, after an installation. The triggers stay, so no source is locked.
create or replace function tally.renew(number integer) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set client_min_messages = warning as $$
declare
  d tally.definition;
  owner oid;
begin
  lock table tally.definition in share row exclusive mode;
  select * into strict d from tally.definition t where t.id = number;
  owner := (select relowner from pg_class where oid = d.source);
  d := tally.understand_all(owner, d, '{}');
  update tally.definition t
     set v = nextval('tally.definition_number'), code = d.code, key_type = d.key_type, attnums = d.attnums, place = d.place
   where t.id = number;
  perform tally.build(number, false);
end
$$;

-- Drops a tally: its functions, with them its triggers, and its definition.
create or replace function tally.unregister(name text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set client_min_messages = warning as $$
declare
  known tally.definition;
  owner oid;
  stale name;
  called text;
begin
  lock table tally.definition in share row exclusive mode;
  select * into known from tally.definition t where t.name = $1;
  if not found then
    raise exception 'there is no tally "%"', $1 using errcode = '42704', hint = 'select name from tally.tallies lists all.';
  elsif not exists (select from tally.owners(known) as o where tally.stands_in(o)) then
    raise exception 'this session has not proven that it may act as the owner of %', known.source_name
      using errcode = '42501', hint = 'Call drop_tally.';
  end if;
  select proowner into owner from pg_proc
   where pronamespace = 'tally'::regnamespace and proname = format('tally_%s_truth', known.id);
  for stale in
    select proname from tally.functions_of(known.id)
  loop
    execute format('drop function tally.%I cascade', stale);
  end loop;
  perform tally.announce($1);
  delete from tally.definition t where t.id = known.id;
  -- With its last tally the owner loses these rights, so that the role can be dropped.
  if owner is not null
     and not exists (select from pg_proc
                      where pronamespace = 'tally'::regnamespace and proname ~ '^tally_[0-9]+_truth$' and proowner = owner)
     and owner <> (select nspowner from pg_namespace where nspname = 'tally') then
    execute format('revoke usage on sequence tally.event_number from %I', pg_get_userbyid(owner));
    if not exists (select from tally.creators() as c where c = pg_get_userbyid(owner)) then
      foreach called in array tally.owner_functions() loop
        execute format('revoke execute on function tally.%s from %I', called, pg_get_userbyid(owner));
      end loop;
    end if;
  end if;
end
$$;
