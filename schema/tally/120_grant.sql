-- Rights. PUBLIC has no right on anything here (see 900_finish.sql). These functions grant what one purpose needs.

create or replace function tally.check_role(role text) returns void
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  if not exists (select from pg_roles where rolname = role) then
    raise exception 'there is no role "%"', role
      using errcode = '42704', hint = 'The name as in pg_roles, without quotes. Rights are never given to PUBLIC.';
  end if;
end
$$;

-- Grants rights on the tables of materialized tallies, each as the owner of the source, if the caller may act as that role.
create or replace function tally.grant_tables(role text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  d record;
  missing text;
begin
  for d in
    select t.name, t.materialize, c.relowner as owner
      from tally.definition t join pg_class c on c.oid = t.source where t.materialize is not null order by t.id
  loop
    if tally.lacks_on_table(d.materialize, role) is not null and tally.may_act_as(d.owner)
       and has_database_privilege(d.owner, current_database(), 'temporary') then
      perform tally.open_stand_in(d.owner);
      perform tally.grant_table(d.owner, d.materialize, role);
      perform tally.close_stand_in();
    end if;
    missing := tally.lacks_on_table(d.materialize, role);
    if missing is not null then
      raise notice 'tally "%": to write table % role % needs more rights: %', d.name, d.materialize, quote_ident(role), missing;
    end if;
  end loop;
end
$$;

-- The functions that a server and `pgtally check` call.
create or replace function tally.server_functions() returns text[]
language sql immutable set search_path = pg_catalog, pg_temp as $$
  select array['truth(text)', 'lock_source(text)', 'version()', 'problems(text)', 'name_of(regclass)',
               'act(text, text, text, json, text)', 'act_all(text[], text[], text[], text[], text, text[], text[])', 'lost_source(text)', 'look(text)', 'findings(text)', 'findings()', 'tried()',
               'server_findings(text)', 'can_reload(text)', 'materialize_target(text, text, text[])', 'lacks_on_table(text, text)']
$$;

-- What a role lacks for serving, as rows like those of tally.findings().
create or replace function tally.server_findings(role text)
returns table (name text, kind text, subject text, message text, remedy text, severity text)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select null, 'rights', lacks.subject, format('role %I has no right to %s', role, lacks.what), format('select tally.grant_server(%L)', role), 'failed'
    from (select 'tally' as subject, 'use schema tally' as what where not has_schema_privilege(role, 'tally', 'usage')
          union all
          select 'tally.tallies', 'select from tally.tallies' where not has_table_privilege(role, 'tally.tallies', 'select')
          union all
          select 'tally.' || called, 'execute tally.' || called
            from unnest(tally.server_functions()) as called
           where not has_function_privilege(role, 'tally.' || called, 'execute')) as lacks
  union all
  select d.name, 'rights', d.materialize, format('role %I may not write table %s, which keeps the counters', role, d.materialize), lacking, 'failed'
    from tally.definition d, tally.lacks_on_table(d.materialize, role) as lacking
   where lacking is not null
  union all
  select null, 'replication_right', role, format('role %I has no REPLICATION, which transport wal needs', role),
         format('alter role %I replication, or what the hosting service has in its place; pgtally check tries it', role), 'warning'
   where tally.lacks_replication(role)
$$;

-- Whether a role needs the right to replicate and has not got it by the catalog: hosting services have other ways.
create or replace function tally.lacks_replication(role text) returns boolean
language sql stable set search_path = pg_catalog, pg_temp as $$
  select exists (select from pg_roles where rolname = role and not rolreplication and not rolsuper)
         and exists (select from tally.definition where transport = 'wal')
$$;

-- Grants the rights that serving needs: the role can read the counters of every tally and run every action.
create or replace function tally.grant_server(role text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  called text;
begin
  perform tally.check_role(role);
  execute format('grant usage on schema tally to %I', role);
  execute format('grant select on tally.tallies to %I', role);
  foreach called in array tally.server_functions() loop
    if to_regprocedure('tally.' || called) is not null then  -- while an older version installs, some do not exist
      execute format('grant execute on function tally.%s to %I', called, role);
    end if;
  end loop;
  perform tally.grant_tables(role);
  if tally.lacks_replication(role) then
    raise notice 'role % needs one more right for transport wal, which a superuser gives: alter role % replication', role, quote_ident(role);
  end if;
end
$$;

-- The functions that create_tally, alter_tally, drop_tally and reload call with the rights of the caller. All that they do
-- with other rights is in register, unregister and ask_for_reload, which require a stand-in or do nothing that the caller
-- could not do.
create or replace function tally.creator_functions() returns setof regprocedure
language sql stable set search_path = pg_catalog, pg_temp as $$
  select oid::regprocedure from pg_proc
   where pronamespace = 'tally'::regnamespace
     and proname in ('create_tally', 'alter_tally', 'drop_tally', 'reload', 'search_path', 'version', 'problems', 'findings', 'name_of',
                     'define_new', 'define_again', 'define_gone', 'define_reload', 'define', 'can_reload',
                     'check_form', 'check_name', 'members', 'same', 'same_table', 'is_there', 'look_up', 'current_source', 'table_named',
                     'find_source', 'check_source', 'unfit_source', 'check_owner', 'may_act_as', 'parts', 'left_behind', 'generated_name', 'functions_of',
                     'lock_writers', 'lock_until', 'lock_definitions', 'hurry', 'holders', 'owners', 'open_stand_in', 'close_stand_in', 'stand_in_source', 'event_trigger_hint', 'namesake',
                     'register', 'unregister', 'announce', 'ask_for_reload')
$$;

-- The roles that may create tallies.
create or replace function tally.creators() returns setof name
language sql stable set search_path = pg_catalog, pg_temp as $$
  select r.rolname
    from pg_proc p cross join aclexplode(p.proacl) as a join pg_roles r on r.oid = a.grantee
   where p.oid = to_regprocedure('tally.create_tally(text, text, text, json, text, text, text, json)') and a.grantee <> p.proowner
$$;

-- Grants the rights that creating tallies needs: to call create_tally, alter_tally, drop_tally and reload, and to read the list.
create or replace function tally.grant_create(role text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  called regprocedure;
begin
  perform tally.check_role(role);
  execute format('grant usage on schema tally to %I', role);
  execute format('grant select on tally.tallies to %I', role);
  -- An older version granted every function.
  for called in
    select p.oid from pg_proc p, aclexplode(p.proacl) as a
     where p.pronamespace = 'tally'::regnamespace and p.proname !~ tally.generated_name()
       and a.grantee = (select oid from pg_roles where rolname = role)
       and p.oid not in (select tally.creator_functions())
       and not (role = any (select tally.servers())) and p.proname not in ('column_names', 'reads_columns', 'source_name')
  loop
    execute format('revoke execute on function %s from %I', called, role);
  end loop;
  for called in select tally.creator_functions() loop
    execute format('grant execute on function %s to %I', called, role);
  end loop;
  if not has_database_privilege(role, current_database(), 'temporary') then
    raise notice 'role % needs one more right: grant temporary on database % to %', role,
                 quote_ident(current_database()), quote_ident(role);
  end if;
end
$$;
