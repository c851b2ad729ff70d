-- After a restore. A dump without privileges (pg_dump -x) loses the grants that triggers need, and a restored table has other
-- numbers for its columns. A restore ends with the refresh of materialized views: so one does the rest, as the schema's
-- owner, and nobody has to remember a command.

-- Gives the owners of sources what their triggers need, takes from PUBLIC what a restore gave it, creates the publication if
-- transport wal needs it, and records where the columns are. It changes nothing if all is as it should be, and never fails: a restore in one transaction would fail too.
create or replace function tally.settle() returns timestamptz
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  called regprocedure;
  owner oid;
begin
  begin
    for called in
      select p.oid from pg_proc p
       where p.pronamespace = 'tally'::regnamespace and pg_has_role(current_user, p.proowner, 'usage')
         and has_function_privilege('public', p.oid, 'execute')
    loop
      execute format('revoke all on function %s from public', called);
    end loop;
    for owner in
      select distinct proowner from pg_proc where pronamespace = 'tally'::regnamespace and proname ~ '^tally_[0-9]+_truth$'
    loop
      perform tally.grant_owner(owner);
    end loop;
    update tally.definition d
       set attnums = (select array_agg(c.number order by c.place) from tally.columns_today(d) as c), place = tally.place_of(d.source)
     where d.place <> tally.place_of(d.source) and not exists (select from tally.columns_today(d) as c where c.number is null);
  exception
    when others then
      raise warning 'pgtally: % (SQLSTATE %)', sqlerrm, sqlstate using hint = 'pgtally check names what is missing.';
  end;
  begin
    if exists (select from tally.definition where transport = 'wal') then
      perform tally.make_publication();
    end if;
  exception
    when others then
      raise warning 'pgtally: % (SQLSTATE %)', sqlerrm, sqlstate using hint = 'pgtally check names what is missing.';
  end;
  return clock_timestamp();
end
$$;
