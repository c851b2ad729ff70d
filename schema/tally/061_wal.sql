-- What the transport wal needs of the database: that PostgreSQL decodes its WAL, a slot and a WAL sender for each server, and a
-- publication. It is empty, so that no row is sent, and belongs to the schema's owner. One tally after the other uses it; only
-- uninstall.sql drops it, because PostgreSQL ends a stream whose publication is gone.

-- What keeps a server from getting a stream of events: 'failed' for good, else at this moment. If a server of pgtally has a slot
-- already, there were enough. The same for all tallies.
create or replace function tally.shortages() returns table (kind text, message text, remedy text, severity text, state text)
language sql stable set search_path = pg_catalog, pg_temp as $$
  with there as (
    select current_setting('max_replication_slots')::integer as slots, current_setting('max_wal_senders')::integer as senders,
           (select count(*) from pg_replication_slots) as slots_used, (select count(*) from pg_stat_replication) as senders_used,
           exists (select from pg_replication_slots where starts_with(slot_name::text, 'pgtally_') and active) as served)
  select 'wal_level', format('wal_level is %s, so PostgreSQL sends no events by transport wal', current_setting('wal_level')),
         'alter system set wal_level = logical, and restart PostgreSQL', 'failed', '55000'
    from there where not tally.can_decode()
  union all
  select 'slots', 'max_replication_slots is 0, and transport wal needs a slot for each server',
         'raise max_replication_slots, and restart PostgreSQL', 'failed', '55000'
    from there where slots = 0
  union all
  select 'senders', 'max_wal_senders is 0, and transport wal needs a WAL sender for each server',
         'raise max_wal_senders, and restart PostgreSQL', 'failed', '55000'
    from there where senders = 0
  union all
  select 'slots', format('all %s replication slots are in use', slots),
         'raise max_replication_slots and restart PostgreSQL, or drop a slot that nobody uses, see pg_replication_slots', 'warning', '53400'
    from there where slots > 0 and slots_used >= slots and not served
  union all
  select 'senders', format('all %s WAL senders are in use', senders),
         'raise max_wal_senders and restart PostgreSQL, or end a replication that nobody needs, see pg_stat_replication', 'warning', '53300'
    from there where senders > 0 and senders_used >= senders and not served
  union all
  -- Else a commit that waits for a standby would be acknowledged by a server of pgtally, which keeps nothing of it.
  select 'sync_standby', 'synchronous_standby_names has *, so PostgreSQL takes the stream of a server of pgtally for a synchronous standby',
         'write the names of the standbys into synchronous_standby_names in place of *, and select pg_reload_conf()', 'warning', '55000'
    from there where current_setting('synchronous_standby_names') ~ '(^|[,(])[[:space:]]*"?[*]"?[[:space:]]*($|[,)])'
$$;

-- From version 19 on the first logical slot raises the level.
create or replace function tally.can_decode() returns boolean
language sql stable set search_path = pg_catalog, pg_temp as $$
  select current_setting('wal_level') = 'logical'
         or current_setting('wal_level') = 'replica' and current_setting('server_version_num')::integer >= 190000
$$;

-- The publication: 'missing', 'empty', or 'full' if it publishes anything. What is in it depends on it.
create or replace function tally.publication() returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select coalesce((select case when p.puballtables
                                 or exists (select from pg_depend where refclassid = 'pg_publication'::regclass and refobjid = p.oid)
                               then 'full' else 'empty' end
                     from pg_publication p where p.pubname = 'tally'), 'missing')
$$;

-- For tally.look(): what else can end the stream for good.
create or replace function tally.wal_state() returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select concat_ws(' ', tally.publication() = 'missing', tally.can_decode())
$$;

-- The statement that lets the schema's owner create the publication; null if it can.
create or replace function tally.grant_for_publication() returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select format('grant create on database %I to %I', current_database(), pg_get_userbyid(nspowner))
    from pg_namespace where nspname = 'tally' and not has_database_privilege(nspowner, current_database(), 'create')
$$;

-- Creates the publication if it is missing, as the schema's owner. Below wal_level logical PostgreSQL would warn.
create or replace function tally.make_publication() returns void
language plpgsql set search_path = pg_catalog, pg_temp set client_min_messages = error as $$
begin
  if tally.publication() = 'missing' then
    create publication tally;
    comment on publication tally is 'Empty: pgtally receives events through it, and no rows.';
  end if;
exception
  when others then
    raise exception 'transport: publication "tally", which wal needs, cannot be created: %', sqlerrm
      using errcode = sqlstate, hint = coalesce(tally.grant_for_publication(), tally.event_trigger_hint());
end
$$;

-- Refuses transport wal for a tally that is to have it, where it cannot work.
create or replace function tally.check_wal(owner oid) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  lack record;
  sending_role oid;
begin
  select * into lack from tally.shortages() limit 1;
  if found then
    raise exception 'transport: %', lack.message
      using errcode = lack.state, detail = 'Nothing was changed.', hint = lack.remedy || '. Or use transport => ''notify''.';
  end if;
  foreach sending_role in array array[owner, (select nspowner from pg_namespace where nspname = 'tally')] loop
    if not has_function_privilege(sending_role, tally.sender('wal'::text), 'execute') then
      raise exception 'transport: role % may not execute pg_logical_emit_message, which sends the events', pg_get_userbyid(sending_role)
        using errcode = '42501', hint = tally.grant_of_sender('wal'::text, sending_role);
    end if;
  end loop;
  if tally.publication() = 'full' then
    raise exception 'transport: there is a publication "tally" that publishes tables'
      using errcode = '42710', detail = 'pgtally needs an empty one of this name, and changes none that it did not create.',
            hint = 'alter publication tally rename to ..., and its name in the subscriptions that use it.';
  end if;
end
$$;

-- Makes ready for a tally with transport wal. One that had it before is not refused: its findings tell what is missing.
create or replace function tally.prepare_wal(owner oid, d tally.definition, fresh boolean) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if fresh then
    perform tally.check_wal(owner);
  end if;
  perform tally.make_publication();
exception
  when others then
    if fresh then
      raise;
    end if;
    raise warning 'tally "%": %', d.name, sqlerrm using errcode = sqlstate;
end
$$;
