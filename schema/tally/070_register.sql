-- The registry: what only the schema's owner may do. Each of these asks for a stand-in (040_owner.sql), so that
-- calling them directly gives nobody more than create_tally and its like would.

-- The roles that may alter or drop a tally: the source's owner; when the source is gone or changed hands also the owner
-- of the generated functions; and, when all of that is gone, the schema's owner.
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

-- The definition by that name, for the functions that run with the caller's rights; null if there is none.
create or replace function tally.look_up(name text) returns tally.definition
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select d from tally.definition d where d.name = $1
$$;

create or replace function tally.announce(name text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  -- By NOTIFY whatever the transport: a server that does not know the tally yet knows no other.
  execute 'select ' || tally.sending('notify'::text, '$1')
    using format('{"t":"%s","x":"%s","n":%s,"definition":true}', name, pg_current_xact_id(), nextval('tally.event_number'));
end
$$;

-- Makes the functions of a definition and, if the source is locked, its triggers.
create or replace function tally.build(number integer, triggers_too boolean) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  d tally.definition;
  owner oid;
  owner_name name;
  can_create boolean;
  statement text;
begin
  -- One at a time: two that grant and revoke on one schema would meet "tuple concurrently updated".
  lock table tally.definition in share row exclusive mode;
  select * into strict d from tally.definition t where t.id = number;
  owner := (select relowner from pg_class where oid = d.source);
  owner_name := pg_get_userbyid(owner);
  if owner is null or not tally.stands_in(owner) then
    raise exception 'this session has not shown that it may act as the owner of %', d.source_name
      using errcode = '42501', hint = 'Call create_tally, alter_tally or reload.';
  end if;
  update tally.definition t set generator = tally.generator() where t.id = number;

  -- What the triggers need at run time, whoever called create_tally.
  if not has_schema_privilege(owner, 'tally', 'usage') then
    execute format('grant usage on schema tally to %I', owner_name);
  end if;
  if not has_sequence_privilege(owner, 'tally.event_number', 'usage') then
    execute format('grant usage on sequence tally.event_number to %I', owner_name);
  end if;

  -- The owner may create functions here for as long as the generated statements take. They run no code of the owner's.
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

-- Records a definition, new (no id) or changed, and makes its functions and triggers.
create or replace function tally.register(d tally.definition) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set client_min_messages = warning as $$
declare
  known tally.definition;
  owner oid := (select relowner from pg_class where oid = d.source);
  stale oid;
begin
  if owner is null or not tally.stands_in(owner) then
    raise exception 'this session has not shown that it may act as the owner of %', d.source
      using errcode = '42501', hint = 'Call create_tally, alter_tally or reload.';
  end if;
  perform tally.check_form(d);
  if position('pg_temp' in d.path) = 0 or d.source_name is null or d.code is null or d.key_type is null then
    raise exception 'the definition of tally "%" is incomplete', d.name
      using errcode = '22004', hint = 'Call create_tally, alter_tally or reload.';
  end if;

  lock table tally.definition in share row exclusive mode;
  d.generator := tally.generator();
  select * into known from tally.definition t where t.name = d.name;
  if d.id is null then
    if known.id is not null then
      raise exception 'name: there is a tally "%" already, and it is defined otherwise', d.name
        using errcode = '42710', hint = 'Change it with alter_tally, or drop it with drop_tally first.';
    end if;
    insert into tally.definition (name, source, source_name, key, counters, filter, transport, materialize, actions, path,
                                  key_type, code, generator)
    values (d.name, d.source, d.source_name, d.key, d.counters, d.filter, d.transport, d.materialize, d.actions, d.path,
            d.key_type, d.code, d.generator)
    returning id into d.id;
  else
    if known.id is distinct from d.id then
      raise exception 'tally "%" was dropped meanwhile', d.name using errcode = '42704', hint = 'Make it with create_tally.';
    elsif owner not in (select tally.owners(known)) then
      raise exception 'tally "%" belongs to %', d.name, known.source_name
        using errcode = '42501', hint = 'Its owner has to drop it first.';
    end if;
    update tally.definition t
       set source = d.source, source_name = d.source_name, key = d.key, counters = d.counters, filter = d.filter,
           transport = d.transport, materialize = d.materialize, actions = d.actions, path = d.path, key_type = d.key_type,
           code = d.code, generator = d.generator
     where t.id = d.id;
    -- Functions of another owner cannot be replaced, and triggers stay on a table that was replaced: both go.
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

-- Forgets a tally: its functions, with them its triggers, and its definition.
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
    raise exception 'there is no tally "%"', $1 using errcode = '42704', hint = 'select name from tally.tallies shows them all.';
  elsif not exists (select from tally.owners(known) as o where tally.stands_in(o)) then
    raise exception 'this session has not shown that it may act as the owner of %', known.source_name
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
  -- The last one takes the right on the sequence along, so that the role can be dropped.
  if owner is not null
     and not exists (select from pg_proc
                      where pronamespace = 'tally'::regnamespace and proname ~ '^tally_[0-9]+_truth$' and proowner = owner)
     and owner <> (select nspowner from pg_namespace where nspname = 'tally') then
    execute format('revoke usage on sequence tally.event_number from %I', pg_get_userbyid(owner));
  end if;
  perform tally.announce($1);
end
$$;
