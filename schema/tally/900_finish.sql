-- The end of every installation, of every version: rights, and the tallies that an older version generated.

do $$
declare
  called regprocedure;
  role name;
begin
  -- New functions are executable by PUBLIC: not these. (Generated ones belong to the sources' owners, who saw to that.)
  for called in
    select oid::regprocedure from pg_proc
     where pronamespace = 'tally'::regnamespace
       and proowner = (select nspowner from pg_namespace where nspname = 'tally')
  loop
    execute format('revoke all on function %s from public', called);
  end loop;

  -- Who could serve or create before can still.
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
end
$$;

-- Functions are regenerated for the owners that the installing role may act for; the triggers themselves stay, so that no
-- source is locked. The others are listed in tally.tallies.problems.
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
