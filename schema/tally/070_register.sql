-- The registry: the steps that need the rights of the schema's owner. Each function requires a stand-in (040_owner.sql), so
-- that a direct call gives no role more than create_tally, alter_tally, drop_tally and reload do.

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

create or replace function tally.announce(name text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  -- By NOTIFY, for every transport: a server that does not know the tally yet listens there.
  execute 'select ' || tally.sending('notify'::text, '$1')
    using format('{"t":"%s","x":"%s","n":%s,"definition":true}', name, pg_current_xact_id(), nextval('tally.event_number'));
end
$$;

-- Creates the functions of a definition and, if `triggers_too`, its triggers. The source must be locked for triggers.
create or replace function tally.build(number integer, triggers_too boolean) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  d tally.definition;
  owner oid;
  owner_name name;
  can_create boolean;
  statement text;
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
  update tally.definition t set generated = tally.hash_of_functions(d, owner_name) where t.id = number;

  -- The rights that the triggers need at run time.
  if not has_schema_privilege(owner, 'tally', 'usage') then
    execute format('grant usage on schema tally to %I', owner_name);
  end if;
  if not has_sequence_privilege(owner, 'tally.event_number', 'usage') then
    execute format('grant usage on sequence tally.event_number to %I', owner_name);
  end if;

  -- The owner has CREATE on the schema only while the generated statements run. They run no code of the owner.
  can_create := has_schema_privilege(owner, 'tally', 'create');
  if not can_create then
    execute format('grant create on schema tally to %I', owner_name);
  end if;
  for statement in
    select tally.generate_functions(d, owner_name)
    union all
    select tally.generate_triggers(d) where triggers_too
  loop
    perform tally.as_owner(owner, statement);
  end loop;
  if not can_create then
    execute format('revoke create on schema tally from %I', owner_name);
  end if;
end
$$;

-- Records a definition, new (no id) or changed, and creates its functions and triggers.
create or replace function tally.register(d tally.definition) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set client_min_messages = warning as $$
declare
  known tally.definition;
  owner oid := (select relowner from pg_class where oid = d.source);
  stale oid;
begin
  if owner is null or not tally.stands_in(owner) then
    raise exception 'this session has not proven that it may act as the owner of %', d.source
      using errcode = '42501', hint = 'Call create_tally, alter_tally or reload.';
  end if;
  perform tally.check_form(d);
  if position('pg_temp' in d.path) = 0 or d.source_name is null or d.code is null or d.key_type is null then
    raise exception 'the definition of tally "%" is incomplete', d.name
      using errcode = '22004', hint = 'Call create_tally, alter_tally or reload.';
  end if;

  lock table tally.definition in share row exclusive mode;
  select * into known from tally.definition t where t.name = d.name;
  if d.id is null then
    if known.id is not null then
      raise exception 'name: there is a tally "%" already, with another definition', d.name
        using errcode = '42710', hint = 'Change it with alter_tally, or drop it with drop_tally first.';
    end if;
    insert into tally.definition (name, source, source_name, key, counters, filter, transport, materialize, actions, path,
                                  key_type, code)
    values (d.name, d.source, d.source_name, d.key, d.counters, d.filter, d.transport, d.materialize, d.actions, d.path,
            d.key_type, d.code)
    returning id into d.id;
  else
    if known.id is distinct from d.id then
      raise exception 'tally "%" was dropped meanwhile', d.name using errcode = '42704', hint = 'Create it with create_tally.';
    elsif owner not in (select tally.owners(known)) then
      raise exception 'tally "%" belongs to %', d.name, known.source_name
        using errcode = '42501', hint = 'Its owner has to drop it first.';
    end if;
    update tally.definition t
       set source = d.source, source_name = d.source_name, key = d.key, counters = d.counters, filter = d.filter,
           transport = d.transport, materialize = d.materialize, actions = d.actions, path = d.path, key_type = d.key_type,
           code = d.code
     where t.id = d.id;
    -- Functions of another owner cannot be replaced, and a former source keeps its triggers: drop both.
    for stale in
      select oid from pg_proc
       where pronamespace = 'tally'::regnamespace and proname ~ format('^tally_%s_[a-z]+$', d.id)
         and (proowner <> owner or known.source <> d.source)
    loop
      execute format('drop function %s cascade', stale::regprocedure);
    end loop;
  end if;

  perform tally.build(d.id, true);
end
$$;

-- Drops a tally: its functions, with them its triggers, and its definition.
create or replace function tally.unregister(name text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set client_min_messages = warning as $$
declare
  known tally.definition;
  owner oid;
  stale oid;
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
    select oid from pg_proc
     where pronamespace = 'tally'::regnamespace and proname ~ format('^tally_%s_[a-z]+$', known.id)
  loop
    execute format('drop function %s cascade', stale::regprocedure);
  end loop;
  delete from tally.definition t where t.id = known.id;
  -- With its last tally the owner loses the right on the sequence, so that the role can be dropped.
  if owner is not null
     and not exists (select from pg_proc
                      where pronamespace = 'tally'::regnamespace and proname ~ '^tally_[0-9]+_truth$' and proowner = owner)
     and owner <> (select nspowner from pg_namespace where nspname = 'tally') then
    execute format('revoke usage on sequence tally.event_number from %I', pg_get_userbyid(owner));
  end if;
  perform tally.announce($1);
end
$$;
