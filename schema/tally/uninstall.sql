-- Removes schema tally: the definitions, all functions, and with them the triggers on every source. Sends the events that
-- drop_tally sends. The tables of materialized tallies stay. Waits for the readers and writers of every source, because
-- DROP TRIGGER needs an exclusive lock.

set local search_path = pg_catalog, pg_temp;

do $$
declare
  owner oid;
begin
  select nspowner into owner from pg_namespace where nspname = 'tally';
  if not found then
    return;
  end if;
  -- Nothing in it is called: a schema with this name can be somebody else's.
  if to_regprocedure('tally.version()') is null
     or not exists (select from pg_class where relnamespace = 'tally'::regnamespace and relname = 'definition' and relkind = 'r') then
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
  perform set_config('client_min_messages', 'warning', true);
  drop schema tally cascade;
end
$$;
