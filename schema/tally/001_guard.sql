-- Schema tally: live counters over the rows of any table.
--
-- Model:
-- 1. A tally counts one table, its source: it sums expressions per key. Its definition is a row of tally.definition.
-- 2. From a definition, functions are generated, named by the number of the tally. They belong to the owner of the source:
--    tally_7_key, tally_7_c1, ... and tally_7_filter are its expressions; tally_7_insert, _update, _delete and _truncate
--    are for the triggers, tally_7_truth for the counters by SQL, tally_7_lock, tally_7_try, tally_7_act and
--    tally_7_acts, which call tally_7_run. All but that and the expressions are SECURITY DEFINER, so an expression runs with
--    the rights of the role that wrote it, whichever role writes rows or installed this schema.
-- 3. Each statement on the source runs one trigger. It sums the rows of the statement per key and sends the sums as
--    events.
-- 4. A server loads tally.truth() under a snapshot, and applies the events that the snapshot does not contain.
--
-- Guarantees: the triggers and tally.truth() use the same expressions under the same settings, so they agree for every
-- writer. No writer locks a row that another writer needs. No function here runs code of a source's owner with the rights
-- of another role. No statement of an application fails because of a tally: what cannot be evaluated becomes an event
-- "broken" (064_trigger_functions.sql). PostgreSQL holds what the expressions need by object, so renames change nothing.
--
-- Not promised: changes that fire no trigger (see README.md). For those, call tally.reload().
--
-- A session can have standard_conforming_strings off: a literal with a backslash must be written as E'...'.
--
-- The files run in the order of their numbers in one transaction, any number of times. Files 0xx and 1xx came with version
-- 1, 2xx with version 2, 3xx with version 3; versions 4, 5 and 6 changed files in place, and 6 brought 061 and 112. File 900 ends
-- every installation. No file locks a source.
--
-- The placeholder between @ signs is the version that these files make. The build replaces it, from the CMakeLists.txt at
-- the top of the repository.

-- In these files a name without a schema is one of PostgreSQL's own.
set local search_path = pg_catalog, pg_temp;
set local check_function_bodies = off;
set local client_min_messages = warning;  -- a second installation would print "already exists, skipping" for each object

do $$
declare
  newest constant integer := @PGTALLY_SCHEMA_VERSION@;
  installed integer;
  owner oid;
  owner_name name;
  strange text;
begin
  if current_setting('server_version_num')::integer < 140000 then
    raise exception 'pgtally needs PostgreSQL 14 or newer, this server is version %',
                    current_setting('server_version')
      using errcode = '0A000', hint = 'Use PostgreSQL 14 to 18.';
  end if;
  if getdatabaseencoding() <> 'UTF8' then
    raise exception 'pgtally needs a database with encoding UTF8, % has %',
                    current_database(), getdatabaseencoding()
      using errcode = '0A000',
            detail = 'Keys are sent as JSON, which is UTF-8.',
            hint = 'Create a database with "create database ... template template0 encoding ''UTF8''" and install there.';
  end if;

  perform set_config('pgtally.installing_role', current_setting('role'), true);

  -- Two installations at once would update the same rows of the catalogs, and one would fail.
  perform pg_advisory_xact_lock(hashtext('pgtally install'));

  select n.nspowner, r.rolname into owner, owner_name
    from pg_namespace n join pg_roles r on r.oid = n.nspowner where n.nspname = 'tally';
  if not found then
    create schema tally;
    return;
  end if;

  -- Whoever may create in the database can make a schema with this name. Nothing in it is called before it is known whose
  -- it is: the version is read, not asked for.
  if owner_name <> current_user
     and not pg_has_role(current_user, owner, case when current_setting('server_version_num')::integer
                                                                   >= 160000 then 'set' else 'member' end) then
    raise exception 'role % may not install: schema tally belongs to %', current_user, owner_name
      using errcode = '42501', hint = 'Install as that role, a role that may SET ROLE to it, or a superuser.';
  end if;
  select substring(p.prosrc from '^select ([0-9]{1,6})$')::integer into installed
    from pg_proc p
   where p.pronamespace = 'tally'::regnamespace and p.proname = 'version' and p.pronargs = 0 and p.proowner = owner;
  if installed is null and exists (select from pg_depend
                                    where refclassid = 'pg_namespace'::regclass
                                      and refobjid = 'tally'::regnamespace) then
    raise exception 'there is a schema tally that pgtally did not create'
      using errcode = '42P06', hint = 'pgtally needs the name "tally". Rename that schema, or use another database.';
  elsif installed > newest then
    raise exception 'schema tally has version %, newer than the version % of this installation', installed, newest
      using errcode = '55000', hint = 'Use a pgtally that is at least as new as the one that installed the schema.';
  end if;

  -- Everything in the schema belongs to one role, whichever role installs again. 900_finish.sql switches back. SET ROLE is
  -- no prison: code of that role could switch back too. So a schema of another role must hold nothing that runs during an
  -- installation but what the installation itself puts there: no second function of a name, no trigger, no rule, and no
  -- default, check or index that calls a function which is not PostgreSQL's.
  if owner_name <> current_user then
    select string_agg(what, ', ') into strange
      from (select 'function ' || min(p.oid::regprocedure::text) as what
              from pg_proc p where p.pronamespace = 'tally'::regnamespace
             group by p.proname having count(*) > case p.proname when 'findings' then 2 else 1 end or bool_or(p.prokind <> 'f')
            union all
            select 'relation ' || c.relname from pg_class c
             where c.relnamespace = 'tally'::regnamespace
               and not (c.relname, c.relkind) in (('definition', 'r'), ('installation', 'r'), ('tallies', 'v'), ('restored', 'm'),
                                                  ('event_number', 'S'), ('definition_number', 'S'), ('definition_id_seq', 'S'))
               and c.relkind not in ('i', 'c')
            union all
            select 'trigger ' || t.tgname from pg_trigger t join pg_class c on c.oid = t.tgrelid
             where c.relnamespace = 'tally'::regnamespace and not t.tgisinternal
            union all
            select 'rule ' || r.rulename from pg_rewrite r join pg_class c on c.oid = r.ev_class
             where c.relnamespace = 'tally'::regnamespace and not (r.rulename = '_RETURN' and c.relkind in ('v', 'm'))
            union all
            select 'policy ' || p.polname from pg_policy p join pg_class c on c.oid = p.polrelid
             where c.relnamespace = 'tally'::regnamespace
            union all
            select 'type ' || t.typname from pg_type t
             where t.typnamespace = 'tally'::regnamespace and t.typtype not in ('c', 'b')
            union all
            select 'operator ' || o.oprname from pg_operator o where o.oprnamespace = 'tally'::regnamespace
            union all
            select 'column ' || c.relname || '.' || a.attname
              from pg_class c join pg_attribute a on a.attrelid = c.oid
             where c.relnamespace = 'tally'::regnamespace and c.relkind = 'r' and a.attnum > 0 and not a.attisdropped
               and a.atttypid >= 16384
            union all
            select 'expression of ' || c.relname
              from pg_depend d
                   left join pg_attrdef e on d.classid = 'pg_attrdef'::regclass and e.oid = d.objid
                   left join pg_constraint n on d.classid = 'pg_constraint'::regclass and n.oid = d.objid
                   left join pg_index i on d.classid = 'pg_class'::regclass and i.indexrelid = d.objid
                   join pg_class c on c.oid = coalesce(e.adrelid, n.conrelid, i.indrelid)
             where c.relnamespace = 'tally'::regnamespace
               and d.refclassid in ('pg_proc'::regclass, 'pg_operator'::regclass)
               and d.refobjid >= 16384) as s;
    if strange is not null then
      raise exception 'schema tally belongs to role %, and holds what pgtally did not make: %', owner_name, strange
        using errcode = '42501',
              detail = 'It could run code of that role with your rights.',
              hint = format('Install as role %s, or drop these first.', owner_name);
    end if;
    perform set_config('role', owner_name, true);
  end if;
end
$$;

create or replace function tally.version() returns integer
language sql immutable as 'select @PGTALLY_SCHEMA_VERSION@';
