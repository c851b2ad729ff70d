-- Removes schema tally: the definitions, all functions, and with them the triggers on every source, and the publication of the
-- transport wal. Sends the events that drop_tally sends. The tables of materialized tallies stay. Waits for the readers and
-- writers of every source, because DROP TRIGGER needs an exclusive lock, as long as the session's lock_timeout and at most ten
-- seconds. While it holds the locks of some sources it waits for so short a time that no other session looks for a deadlock
-- meanwhile, and then lets them go: so no statement of an application loses a deadlock to it.

set local search_path = pg_catalog, pg_temp;

do $$
declare
  owner oid;
  before text := current_setting('lock_timeout');
  lacked regclass;
  next regclass;
  soon timestamptz;
  sources regclass[];
  further integer;
  -- As tally.hurry(), from now on.
  hurry text := $hurry$
    with of_session as (select current_setting('deadlock_timeout')::interval as looks_after, clock_timestamp() as now),
         others as (select coalesce(l.waitstart, now) + looks_after as looks_at
                      from of_session, pg_locks l join pg_stat_activity a using (pid)
                     where not l.granted and l.pid <> pg_backend_pid()
                       and a.datid = (select oid from pg_database where datname = current_database()))
    select now + least(looks_after / 2, interval '500 ms',
                       (select min(looks_at) - now - interval '50 ms' from others where looks_at > now - interval '200 ms'))
      from of_session
  $hurry$;
  deadline timestamptz := clock_timestamp()
                          + case when before::interval = '0' then interval '10 s' else least(before::interval, interval '10 s') end;
begin
  select nspowner into owner from pg_namespace where nspname = 'tally';
  if not found then
    return;
  end if;
  -- Nothing in it is called: a schema with this name can be somebody else's.
  if to_regprocedure('tally.version()') is null
     or (select count(*) from pg_class where relnamespace = 'tally'::regnamespace
                                         and (relname, relkind) in (('definition', 'r'), ('event_number', 'S'))) <> 2 then
    raise exception 'there is a schema tally that pgtally did not create'
      using errcode = '42P06', hint = 'Nothing was removed.';
  end if;
  if not pg_has_role(current_user, owner, 'usage') then
    raise exception 'role % may not uninstall: schema tally belongs to %', current_user, pg_get_userbyid(owner)
      using errcode = '42501', hint = 'Uninstall as that role, a member of it, or a superuser.';
  end if;
  perform pg_notify('tally', format('{"t":"%s","x":"%s","n":%s,"definition":true}', d.name,
                               pg_current_xact_id(), nextval('tally.event_number')))
     from tally.definition d;
  if has_function_privilege(3577, 'execute') then  -- pg_logical_emit_message
    perform pg_logical_emit_message(true, 'tally', format('{"t":"%s","x":"%s","n":%s,"definition":true}', d.name,
                                                          pg_current_xact_id(), nextval('tally.event_number')))
       from tally.definition d where d.transport = 'wal';
  end if;
  -- Not one of somebody else, nor one that publishes anything: what is in it depends on it.
  if exists (select from pg_publication p
              where p.pubname = 'tally' and p.pubowner = owner and not p.puballtables
                and not exists (select from pg_depend where refclassid = 'pg_publication'::regclass and refobjid = p.oid)) then
    drop publication tally;
  end if;
  perform set_config('client_min_messages', 'warning', true);
  loop
    soon := null;
    begin
      -- Tables on which this role has no rights are locked by the DROP alone.
      select array_agg(distinct tgrelid) filter (where mine), count(distinct tgrelid) filter (where not mine) into sources, further
        from pg_trigger t join pg_proc p on p.oid = tgfoid, has_table_privilege(tgrelid, 'truncate') as mine
       where pronamespace = 'tally'::regnamespace;
      -- Waits long for one table only, while it holds none of the others.
      for next in select lacked where lacked is not null union all select unnest(sources) loop
        lacked := next;
        perform set_config('lock_timeout', greatest(1000 * date_part('epoch', least(deadline, soon) - clock_timestamp()), 1)::integer::text, true);
        execute format('lock table only %s in access exclusive mode', next);
        if soon is null then
          execute hurry into soon;
        end if;
      end loop;
      if soon is null then
        execute hurry into soon;
      end if;
      -- PostgreSQL counts the time of each lock anew.
      perform set_config('lock_timeout', greatest(1000 * date_part('epoch', soon - clock_timestamp()) / (1 + further), 1)::integer::text, true);
      drop schema tally cascade;
      exit;
    exception
      when lock_not_available then
        if clock_timestamp() >= deadline then
          raise;
        end if;
      when undefined_table then
        lacked := null;  -- it was dropped meanwhile
    end;
  end loop;
  perform set_config('lock_timeout', before, true);
end
$$;
