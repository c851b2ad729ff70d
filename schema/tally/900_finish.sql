-- The end of every installation: rights, and the functions that an older version generated.

do $$
declare
  called regprocedure;
  role name;
  outdated integer;
begin
  -- PUBLIC may execute new functions by default. (Generated functions belong to the owners of sources: their statements
  -- include the revoke.)
  for called in
    select oid::regprocedure from pg_proc
     where pronamespace = 'tally'::regnamespace
       and proowner = (select nspowner from pg_namespace where nspname = 'tally')
  loop
    execute format('revoke all on function %s from public', called);
  end loop;

  -- Roles that could serve or create before get the rights of this version.
  for role in select * from tally.servers() loop
    perform tally.grant_server(role);
  end loop;
  for role in
    select r.rolname
      from pg_proc p cross join aclexplode(p.proacl) as a join pg_roles r on r.oid = a.grantee
     where p.oid = 'tally.create_tally(text, text, text, json, text, text, text, json)'::regprocedure and a.grantee <> p.proowner
  loop
    perform tally.grant_create(role);
  end loop;

  -- Row by row: if nothing is outdated, the table is only read, and sessions that create tallies are not waited for.
  for outdated in select d.id from tally.definition d where d.generated <> '' and tally.is_outdated(d) loop
    update tally.definition d set generated = '' where d.id = outdated;
  end loop;
end
$$;

-- Generates outdated functions again, where the installing role may act as their owner. The triggers stay, so no source is
-- locked. The other tallies have a problem in tally.tallies.
do $$
declare
  d record;
begin
  perform set_config('role', current_setting('pgtally.installing_role'), true);
  for d in
    select t.number, t.name, t.owner from tally.outdated() as t where pg_has_role(current_user, t.owner, 'member')
  loop
    perform tally.open_stand_in(d.owner);
    perform tally.build(d.number, false);
    perform tally.close_stand_in();
  end loop;
end
$$;
