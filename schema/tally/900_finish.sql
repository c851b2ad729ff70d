-- The end of every installation: rights, and the functions that an older version generated.

do $$
declare
  role name;
  outdated integer;
  twice text;
begin
  -- A second function of a name could take a call from the first.
  select string_agg(proname, ', ') into twice
    from (select proname from pg_proc where pronamespace = 'tally'::regnamespace and proname not in ('findings')
           group by proname having count(*) > 1) as s;
  if twice is not null then
    raise exception 'schema tally holds functions that pgtally did not make, named like its own: %', twice
      using errcode = '42501', hint = 'Drop those that pgtally install --print does not create.';
  end if;

  -- Materialized views are refreshed at the end of a restore, see 130_settle.sql. (Not replaced: a refresh is enough.)
  if to_regclass('tally.restored') is null then
    create materialized view tally.restored as select tally.settle() as settled_at;
    revoke all on tally.restored from public;
  else
    perform tally.settle();
  end if;

  -- Roles that could serve or create before get the rights of this version.
  for role in select * from tally.servers() loop
    perform tally.grant_server(role::text);
  end loop;
  for role in select * from tally.creators() loop
    perform tally.grant_create(role::text);
  end loop;

  -- Row by row: if nothing is outdated, the table is only read, and sessions that create tallies are not waited for.
  for outdated in select d.id from tally.definition d where d.generated <> '' and tally.is_outdated(d) loop
    update tally.definition d set generated = '' where d.id = outdated;
  end loop;
end
$$;

-- Generates outdated functions again, where the installing role may act as their owner. The triggers stay, so no source is
-- locked. The other tallies have a finding, and so has one whose expressions PostgreSQL does not understand any more.
do $$
declare
  d record;
  schema_owner constant name := current_user;
begin
  perform set_config('role', current_setting('pgtally.installing_role'), true);
  -- A role that may only SET ROLE to the schema's owner, and inherits nothing, may not call its functions.
  if not pg_has_role(current_user, schema_owner, 'usage') then
    perform set_config('role', schema_owner, true);
  end if;
  for d in select t.number, t.name, t.owner from tally.outdated() as t where tally.may_act_as(t.owner) loop
    begin
      perform tally.open_stand_in(d.owner);
      perform tally.renew(d.number);
      perform tally.close_stand_in();
    exception
      when others then
        raise warning 'tally "%" keeps the functions of an older version: %', d.name, sqlerrm
          using hint = format('select tally.reload(%L) tells more', d.name);
    end;
  end loop;
end
$$;
