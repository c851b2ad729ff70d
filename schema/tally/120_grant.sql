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
    if tally.lacks_on_table(d.materialize, role) is not null and pg_has_role(current_user, d.owner, 'member')
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

-- Grants the rights that serving needs: the role can read the counters of every tally and run every action.
create or replace function tally.grant_server(role text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  called text;
begin
  perform tally.check_role(role);
  execute format('grant usage on schema tally to %I', role);
  execute format('grant select on tally.tallies to %I', role);
  foreach called in array array['truth(text)', 'lock_source(text)', 'version()', 'problems(text)',
                                'act(text, text, text, json, text)', 'lost_source(text)',
                                'materialize_target(text, text, text[])', 'lacks_on_table(text, text)'] loop
    if to_regprocedure('tally.' || called) is not null then  -- while an older version installs, some do not exist
      execute format('grant execute on function tally.%s to %I', called, role);
    end if;
  end loop;
  perform tally.grant_tables(role);
end
$$;

-- Grants the rights that creating tallies needs: all functions except those that read the counters of other owners, run
-- their actions, or grant.
create or replace function tally.grant_create(role text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  called regprocedure;
begin
  perform tally.check_role(role);
  execute format('grant usage on schema tally to %I', role);
  for called in
    select oid::regprocedure from pg_proc
     where pronamespace = 'tally'::regnamespace and proname !~ '^tally_[0-9]+_'
       and proname not in ('truth', 'lock_source', 'act', 'grant_server', 'grant_create', 'grant_tables')
  loop
    execute format('grant execute on function %s to %I', called, role);
  end loop;
  if not has_database_privilege(role, current_database(), 'temporary') then
    raise notice 'role % needs one more right: grant temporary on database % to %', role,
                 quote_ident(current_database()), quote_ident(role);
  end if;
end
$$;
