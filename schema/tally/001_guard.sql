-- Schema tally: live counters over the rows of any table.
--
-- Model:
-- 1. A tally counts one table, its source: it sums expressions per key. Its definition is a row of tally.definition.
-- 2. From a definition, functions are generated, named by the number of the tally: tally_7_insert, _update, _delete and
--    _truncate for the triggers, tally_7_truth for the counters by SQL, tally_7_lock and tally_7_act. They are SECURITY
--    DEFINER and belong to the owner of the source. So an expression runs with the rights of the role that wrote it,
--    whichever role writes rows or installed this schema.
-- 3. Each statement on the source runs one trigger. It sums the rows of the statement per key and sends the sums as
--    events.
-- 4. A server loads tally.truth() under a snapshot, and applies the events that the snapshot does not contain.
--
-- Guarantees: the triggers and tally.truth() use the same expressions under the same settings, so they agree for every
-- writer. No writer locks a row that another writer needs. No function here runs code of a source's owner with the rights
-- of another role.
--
-- Not promised: changes that fire no trigger (see README.md). For those, call tally.reload().
--
-- A session can have standard_conforming_strings off: a literal with a backslash must be written as E'...'.
--
-- The files run in the order of their numbers in one transaction, any number of times. Files 0xx and 1xx came with version
-- 1, 2xx with version 2, 3xx with version 3; version 4 changed files in place. File 900 ends every installation. No file
-- locks a source.
--
-- The placeholder between @ signs is the version that these files make. The build replaces it, from the CMakeLists.txt at
-- the top of the repository.

do $$
declare
  newest constant integer := @PGTALLY_SCHEMA_VERSION@;
  installed integer;
  owner pg_catalog.oid;
begin
  if pg_catalog.current_setting('server_version_num')::integer < 140000 then
    raise exception 'pgtally needs PostgreSQL 14 or newer, this server is version %',
                    pg_catalog.current_setting('server_version')
      using errcode = '0A000', hint = 'Use PostgreSQL 14 to 18.';
  end if;
  if pg_catalog.getdatabaseencoding() <> 'UTF8' then
    raise exception 'pgtally needs a database with encoding UTF8, % has %',
                    pg_catalog.current_database(), pg_catalog.getdatabaseencoding()
      using errcode = '0A000',
            detail = 'Keys are sent as JSON, which is UTF-8.',
            hint = 'Create a database with "create database ... template template0 encoding ''UTF8''" and install there.';
  end if;

  perform pg_catalog.set_config('pgtally.installing_role', pg_catalog.current_setting('role'), true);

  -- Two installations at once would update the same rows of the catalogs, and one would fail.
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
    raise exception 'there is a schema tally that pgtally did not create'
      using errcode = '42P06', hint = 'pgtally needs the name "tally". Rename that schema, or use another database.';
  end if;

  -- Everything in the schema belongs to one role, whichever role installs again. 900_finish.sql switches back.
  if owner <> (select oid from pg_catalog.pg_roles where rolname = current_user) then
    if not pg_catalog.pg_has_role(current_user, owner, 'member') then
      raise exception 'role % may not install: schema tally belongs to %', current_user, pg_catalog.pg_get_userbyid(owner)
        using errcode = '42501', hint = 'Install as that role, a member of it, or a superuser.';
    end if;
    perform pg_catalog.set_config('role', pg_catalog.pg_get_userbyid(owner), true);
  end if;
end
$$;

-- In these files a name without a schema is one of PostgreSQL's own.
set local search_path = pg_catalog, pg_temp;
set local check_function_bodies = off;
set local client_min_messages = warning;  -- a second installation would print "already exists, skipping" for each object

create or replace function tally.version() returns integer
language sql immutable as 'select @PGTALLY_SCHEMA_VERSION@';
