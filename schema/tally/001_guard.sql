-- Schema tally: live counters of the rows of any table.
--
-- Model:
-- 1. A tally counts one table, its source: sums of expressions per key. Its definition is a row of tally.definition.
-- 2. Of a definition, functions are generated, named by the tally's number: tally_7_insert, _update, _delete and
--    _truncate for the triggers, tally_7_truth for the counters by SQL, tally_7_lock and tally_7_act. They are
--    SECURITY DEFINER and belong to the source's owner, so that an expression runs with the rights of the one who
--    wrote it, whoever the writer and whoever installed this schema.
-- 3. Each statement on the source runs one trigger, which sums its rows per key and sends the sums as events.
-- 4. A server loads tally.truth() under a snapshot and applies the events that the snapshot does not contain.
--
-- Guarantees: what the triggers send and what tally.truth() says are made of the same expressions under the same
-- settings, so that they agree for every writer. No writer locks a row that another writer needs. No function here
-- runs code of a source's owner with anybody else's rights.
--
-- Not promised: changes that fire no trigger (see README.md); for those there is tally.reload().
--
-- A session may have standard_conforming_strings off: literals with a backslash are written E'...', or differently.
--
-- The files run in the order of their numbers in one transaction, any number of times. 0xx and 1xx are version 1,
-- 2xx version 2, 3xx version 3; 9xx end every installation. They never lock a source.

do $$
declare
  newest constant integer := 3;   -- what these files make; tally.version() says the same when they are done
  installed integer;
  owner pg_catalog.oid;
begin
  if pg_catalog.current_setting('server_version_num')::integer < 140000 then
    raise exception 'pgtally needs PostgreSQL 14 or newer, this server is version %',
                    pg_catalog.current_setting('server_version')
      using errcode = '0A000', hint = 'Upgrade the server; PostgreSQL 14 to 18 will do.';
  end if;
  if pg_catalog.getdatabaseencoding() <> 'UTF8' then
    raise exception 'pgtally needs a database with encoding UTF8, % has %',
                    pg_catalog.current_database(), pg_catalog.getdatabaseencoding()
      using errcode = '0A000',
            detail = 'Keys travel as JSON, which is UTF-8.',
            hint = 'Create a database with "create database ... template template0 encoding ''UTF8''" and install there.';
  end if;

  perform pg_catalog.set_config('pgtally.installing_role', pg_catalog.current_setting('role'), true);

  -- Two installations at once would trip over each other's catalog rows.
  perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtext('pgtally install'));

  select nspowner into owner from pg_catalog.pg_namespace where nspname = 'tally';
  if not found then
    create schema tally;
    return;
  end if;

  if pg_catalog.to_regprocedure('tally.version()') is not null then
    installed := tally.version();
    if installed > newest then
      raise exception 'schema tally has version %, newer than the version % of this installation', installed, newest
        using errcode = '55000', hint = 'Use a pgtally that is at least as new as the one that installed the schema.';
    end if;
  elsif exists (select from pg_catalog.pg_depend
                 where refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass
                   and refobjid = 'tally'::pg_catalog.regnamespace) then
    raise exception 'there is a schema tally that pgtally did not make'
      using errcode = '42P06', hint = 'pgtally needs the name "tally". Rename that schema, or use another database.';
  end if;

  -- Everything in the schema belongs to one role, whoever installs again. 900_finish.sql goes back.
  if owner <> (select oid from pg_catalog.pg_roles where rolname = current_user) then
    if not pg_catalog.pg_has_role(current_user, owner, 'member') then
      raise exception 'role % may not install: schema tally belongs to %', current_user, pg_catalog.pg_get_userbyid(owner)
        using errcode = '42501', hint = 'Install as that role, a member of it, or a superuser.';
    end if;
    perform pg_catalog.set_config('role', pg_catalog.pg_get_userbyid(owner), true);
  end if;
end
$$;

-- Names below are PostgreSQL's own or written with their schema.
set local search_path = pg_catalog, pg_temp;
set local check_function_bodies = off;
set local client_min_messages = warning;  -- "already exists, skipping" is what running again means
