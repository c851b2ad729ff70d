begin isolation level read committed read write;
do $settings$ begin perform pg_catalog.set_config(n, v, true) from (values ('statement_timeout', '0'), ('idle_in_transaction_session_timeout', '0'), ('idle_session_timeout', '0'), ('transaction_timeout', '0'), ('tcp_user_timeout', '30000'), ('tcp_keepalives_idle', '15'), ('tcp_keepalives_interval', '5'), ('tcp_keepalives_count', '3'), ('lock_timeout', '2000'), ('default_transaction_isolation', 'read committed'), ('default_transaction_read_only', 'off'), ('default_transaction_deferrable', 'off'), ('row_security', 'on'), ('standard_conforming_strings', 'on'), ('search_path', 'pg_catalog, pg_temp'), ('client_min_messages', 'warning')) as s (n, v) where pg_catalog.current_setting(n, true) is not null; end $settings$;

-- 001_guard.sql
-- Schema tally: live counters over the rows of any table.
--
-- Model:
-- 1. A tally counts one table, its source: it sums expressions per key. Its definition is a row of tally.definition.
-- 2. From a definition, functions are generated, named by the number of the tally. They belong to the owner of the source:
--    tally_7_key, tally_7_c1, ... and tally_7_filter are its expressions; tally_7_insert, _update, _delete and _truncate
--    are for the triggers, tally_7_truth for the counters by SQL, tally_7_lock, tally_7_act and tally_7_try. The latter are SECURITY
--    DEFINER, so an expression runs with the rights of the role that wrote it, whichever role writes rows or installed
--    this schema.
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
-- 1, 2xx with version 2, 3xx with version 3; versions 4 and 5 changed files in place. File 900 ends every installation. No
-- file locks a source.
--
-- The placeholder between @ signs is the version that these files make. The build replaces it, from the CMakeLists.txt at
-- the top of the repository.

-- In these files a name without a schema is one of PostgreSQL's own.
set local search_path = pg_catalog, pg_temp;
set local check_function_bodies = off;
set local client_min_messages = warning;  -- a second installation would print "already exists, skipping" for each object

do $$
declare
  newest constant integer := 5;
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
language sql immutable as 'select 5';

-- 010_tables.sql
-- The definitions of the tallies, and the numbers of events. Only the schema's owner has rights on these: other roles use
-- functions and the view tally.tallies.

-- The numbers of definitions, "v" in events. A server compares them, so none is given twice.
create sequence if not exists tally.definition_number;

-- Numbers for "n": PostgreSQL folds equal notifications of a transaction into one. A session takes a hundred numbers at a
-- time. (A transaction-local setting would be cheaper, but "reset all" clears it.)
create sequence if not exists tally.event_number cache 100;

create table if not exists tally.definition (
  id          integer generated always as identity primary key,  -- the number in the names of the generated functions
  name        text not null unique,
  source      regclass not null,   -- the table with the triggers; follows a rename, and a dump writes it as a name
  source_name text not null,       -- its name when the functions were generated
  key         text not null,       -- the arguments as they were written:
  counters    json not null,
  filter      text,
  transport   text not null,
  materialize text,
  actions     json,
  path        text not null,       -- the search_path that gave the names in them their meaning
  key_type    text not null,
  code        json not null,       -- the expressions as PostgreSQL understood them, see tally.understand_all()
  generated   text not null default '',  -- the hash of the generated functions; '' if they are outdated, see tally.is_outdated()
  v           bigint,              -- the number of the definition; null until the functions of version 5 are generated
  attnums     smallint[],          -- the numbers of the columns in code, which stay when a column is renamed,
  place       text                 -- and where they hold: a restored table has others, see tally.place_of()
);

-- Before version 4 a number, which had to be raised by hand, stood for the text of the functions. Version 5 brought the columns
-- at the end. Internal functions of older versions are dropped: many had other parameters, and PostgreSQL changes no table
-- whose row type a function uses.
do $$
declare
  internal regprocedure;
begin
  if exists (select from pg_attribute where attrelid = 'tally.definition'::regclass and attname = 'v' and not attisdropped) then
    return;
  end if;
  for internal in
    select oid from pg_proc
     where pronamespace = 'tally'::regnamespace and proname !~ '^tally_[0-9]+_'
       and proname not in ('create_tally', 'alter_tally', 'drop_tally', 'reload', 'problems', 'truth', 'lock_source', 'act', 'version',
                           'lost_source', 'materialize_target', 'lacks_on_table', 'grant_server', 'grant_create')
  loop
    execute format('drop function %s', internal);
  end loop;
  if exists (select from pg_attribute
              where attrelid = 'tally.definition'::regclass and attname = 'generator' and not attisdropped) then
    alter table tally.definition drop column generator, add column generated text not null default '';
  end if;
  alter table tally.definition add column v bigint, add column attnums smallint[], add column place text;
end
$$;

-- Which installation this is: a server that reads another number reads another database, or a restored one.
create table if not exists tally.installation (
  id  uuid not null,
  one boolean primary key default true check (one)
);
insert into tally.installation (id) select gen_random_uuid() where not exists (select from tally.installation);

revoke all on all tables in schema tally from public;

-- 020_check.sql
-- The form of the arguments. Their meaning is checked later, in 050_understand.sql.

create or replace function tally.check_name(what text, value text) returns void
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
  if value is null or value !~ '^[a-z][a-z0-9_]*$' or octet_length(value) > 63 then
    raise exception '%: "%" is not a name that pgtally can use', what, value
      using errcode = '42602',
            hint = 'A name begins with a letter a to z, goes on with a to z, 0 to 9 and _, and has at most 63 characters.';
  end if;
end
$$;

-- The members of a JSON object of strings, in order. The names must be valid and distinct.
create or replace function tally.members(what text, value json) returns table (member text, content text, place integer)
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  m record;
begin
  if json_typeof(value) is distinct from 'object' then
    raise exception '%: a JSON object is needed, not %', what, coalesce(json_typeof(value), 'null')
      using errcode = '22023', hint = case what
                       when 'actions' then 'For example {"like": "insert into likes values ($1::bigint)"}; {} means no actions.'
                       else 'For example {"likes": "1", "stars": "case when stars > 3 then 1 end"}.' end;
  end if;
  for m in select j.key, min(json_typeof(j.value)) as type, count(*) as times from json_each(value) as j group by j.key
  loop
    perform tally.check_name(what, m.key);
    if m.times > 1 then
      raise exception '%: "%" occurs % times', what, m.key, m.times
        using errcode = '42710', hint = 'Give each member a different name.';
    end if;
    if m.type <> 'string' then
      raise exception '%: "%" is not a JSON string but %', what, m.key, m.type
        using errcode = '22023', hint = 'Write the SQL in double quotes, as in {"likes": "1"}.';
    end if;
  end loop;
  return query select j.key, j.value, j.ordinality::integer from json_each_text(value) with ordinality as j;
end
$$;

-- Refuses a definition whose form is wrong. Does not look into the expressions.
create or replace function tally.check_form(d tally.definition) returns void
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
  counted integer;
begin
  perform tally.check_name('name'::text, d.name);
  if coalesce(d.key, '') = '' then
    raise exception 'key: an expression is needed'
      using errcode = '22004', hint = 'Name the column or expression to count by, such as post_id.';
  end if;
  select count(*) into counted from tally.members('counters'::text, d.counters);
  if counted not between 1 and 64 then
    raise exception 'counters: 1 to 64 are needed, not %', counted
      using errcode = '22023', hint = 'Split the counters over several tallies of the same source.';
  end if;
  if d.transport is distinct from 'notify' then
    if d.transport = 'wal' then
      raise exception 'transport: this version delivers events by notify only'
        using errcode = '0A000', hint = 'Leave transport out, or write transport => ''notify''.';
    end if;
    raise exception 'transport: "%" is neither "notify" nor "wal"', d.transport
      using errcode = '22023', hint = 'Leave transport out, or write transport => ''notify''.';
  end if;
  if d.actions is not null then
    perform tally.members('actions'::text, d.actions);
  end if;
end
$$;

-- 030_source.sql
-- Sources: which tables can be counted, and the lock that keeps a transaction from writing under two definitions.

-- Whether the calling role may SET ROLE to this one. From version 16 on, a member of a role need not have that right.
create or replace function tally.may_act_as(owner oid) returns boolean
language sql stable set search_path = pg_catalog, pg_temp as $$
  select pg_has_role(current_user, owner, case when current_setting('server_version_num')::integer >= 160000 then 'set' else 'member' end)
$$;

-- The table with this name in the search_path `path`, or an error.
create or replace function tally.find_source(source text, path text) returns regclass
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  found_table regclass;
begin
  if coalesce(source, '') = '' then
    raise exception 'source: the name of a table is needed' using errcode = '22004', hint = 'For example ''public.likes''.';
  end if;
  begin
    perform parse_ident(source);  -- to_regclass() of version 16 and later does not refuse what is no name
    perform set_config('search_path', path, true);
    found_table := pg_catalog.to_regclass(source);
    perform pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
  exception
    when syntax_error or invalid_name or invalid_parameter_value or feature_not_supported then
      raise exception 'source: "%" is not the name of a table', source
        using errcode = '42602', hint = 'Write it as in SQL: schema.table, with double quotes where SQL needs them.';
    when insufficient_privilege then
      raise exception 'source: %: %', source, sqlerrm
        using errcode = '42501', hint = 'The role that makes a tally needs USAGE on the schema of its source.';
  end;
  if found_table is null then
    raise exception 'source: there is no table %', source
      using errcode = '42P01', detail = format('Searched in: %s.', path),
            hint = 'Write the schema too, as in public.likes; the role needs USAGE on it.';
  end if;
  return found_table;
end
$$;

-- The table with a stored name, schema.table. to_regclass() would need USAGE on the schema; this needs no right.
create or replace function tally.table_named(stored text) returns regclass
language sql stable set search_path = pg_catalog, pg_temp as $$
  select c.oid::regclass
    from pg_class c join pg_namespace n on n.oid = c.relnamespace, parse_ident(stored) as name
   where n.nspname = name[1] and c.relname = name[2]
$$;

-- The table that has the recorded name of the source: it, or another one. A view does not count: an application that renames
-- a table may leave one.
create or replace function tally.namesake(d tally.definition) returns regclass
language sql stable set search_path = pg_catalog, pg_temp as $$
  select oid::regclass from pg_class where oid = tally.table_named(d.source_name) and relkind in ('r', 'p')
$$;

-- The source and, if it is partitioned, all partitions below it. Each has triggers of its own, because PostgreSQL does not
-- clone statement triggers to partitions. The catalogs are read, because pg_partition_tree() locks the partitions: a server that
-- looks every few seconds would wait for an application's DDL, and its lock could make that DDL lose a deadlock.
create or replace function tally.parts(source regclass) returns setof regclass
language sql stable set search_path = pg_catalog, pg_temp as $$
  with recursive part (oid) as (
    select oid from pg_class where oid = source
    union all
    select c.oid from part join pg_inherits i on i.inhparent = part.oid and not i.inhdetachpending
                           join pg_class c on c.oid = i.inhrelid and c.relispartition)
  select oid::regclass from part
$$;

-- Why the table with this name is no source, or not one any more: a problem and its remedy. Null if it is one.
create or replace function tally.unfit_source(source regclass, out problem text, out remedy text, out state text)
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  rel pg_class;
  other regclass;
begin
  select * into rel from pg_class where oid = source;
  state := '42809';
  if rel.relkind in ('v', 'm') then
    problem := case rel.relkind when 'v' then 'a view' else 'a materialized view' end;
    remedy := 'Count the table that it reads, and write the condition of the view as the filter of the tally.';
  elsif rel.relkind = 'f' then
    problem := 'a foreign table, whose rows another database changes';
    remedy := 'Install pgtally in that database.';
  elsif rel.relkind not in ('r', 'p') then
    problem := 'not a table';
    remedy := 'Only an ordinary or a partitioned table can be counted.';
  elsif rel.relnamespace = 'pg_catalog'::regnamespace or rel.oid < 16384
        or rel.relnamespace = 'information_schema'::regnamespace or rel.relnamespace = 'tally'::regnamespace then
    problem := 'a system table';
    remedy := 'Only an ordinary or a partitioned table can be counted.';
    state := '42501';
  elsif rel.relpersistence = 't' then
    problem := 'a temporary table, which other sessions cannot see';
    remedy := 'Only an ordinary or a partitioned table can be counted.';
  elsif rel.relispartition then
    select inhparent into other from pg_inherits where inhrelid = source;
    problem := format('a partition of %s', other);
    remedy := format('Count %s; a filter can leave out the rows of other partitions.', other);
  elsif exists (select from pg_inherits where inhrelid = source) then
    problem := 'a child in table inheritance';
    remedy := 'Statements on its parents change it too. Use partitioning instead of inheritance.';
  elsif rel.relkind = 'r' and exists (select from pg_inherits where inhparent = source) then
    select inhrelid into other from pg_inherits where inhparent = source limit 1;
    problem := format('a parent in table inheritance, of %s', other);
    remedy := format('Some of its rows are in other tables: alter table %s no inherit %s, or use partitioning.', other, source);
  else
    select p into other from tally.parts(source) as p join pg_class c on c.oid = p where c.relkind = 'f' limit 1;
    if other is not null then
      problem := format('a partitioned table with a foreign table as a partition, %s', other);
      remedy := format('PostgreSQL gives no rows of a foreign table to triggers: alter table %s detach partition %s.', source, other);
    end if;
  end if;
end
$$;

create or replace function tally.check_source(source regclass) returns void
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  unfit record;
begin
  if not exists (select from pg_class where oid = source) then
    raise exception 'source: the table with oid % is gone', source::oid
      using errcode = '42P01', hint = 'It was dropped meanwhile: name an existing table.';
  end if;
  select * into unfit from tally.unfit_source(source);
  if unfit.problem is not null then
    raise exception 'source: % is %', source, unfit.problem using errcode = unfit.state, hint = unfit.remedy;
  end if;
end
$$;

-- Refuses a caller that is neither the owner nor a role that can act as the owner.
create or replace function tally.check_owner(name text, source regclass) returns void
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  part regclass;
  owner oid := (select relowner from pg_class where oid = source);
  part_owner oid;
begin
  for part, part_owner in
    select c.oid::regclass, c.relowner from tally.parts(source) as p join pg_class c on c.oid = p order by c.oid <> source
  loop
    if not tally.may_act_as(part_owner) then
      raise exception 'source: role % does not own % (tally "%")', current_user, part, name
        using errcode = '42501',
              hint = format('Only the owner of the source creates, alters, reloads or drops its tallies: ask %s.',
                            pg_get_userbyid(part_owner));
    elsif not pg_has_role(owner, part_owner, 'usage') then
      raise exception 'source: the partition % belongs to %, not to % (tally "%")', part,
                      pg_get_userbyid(part_owner), pg_get_userbyid(owner), name
        using errcode = '42501', hint = format('alter table %s owner to %I', part, pg_get_userbyid(owner));
    end if;
  end loop;
end
$$;

-- Waits for the writers of the source, as long as the session's lock_timeout and at most ten seconds. A timeout names the
-- sessions that hold the lock.
create or replace function tally.lock_writers(name text, source regclass, mode text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
declare
  before text := current_setting('lock_timeout');
  holders text;
begin
  if before::interval = '0' or before::interval > '10 s' then
    perform set_config('lock_timeout', '10s', true);
  end if;
  begin
    execute format('lock table %s in %s mode', source, mode);  -- partitions too
  exception
    when lock_not_available then
      select string_agg(distinct case when l.pid is null then 'a prepared transaction (see pg_prepared_xacts)'
                                      else format('pid %s (user %s, application "%s", %s)', l.pid, coalesce(a.usename, '?'),
                                                  a.application_name, coalesce(a.state, 'state hidden')) end, ', ')
        into holders
        from pg_locks l
             left join pg_stat_activity a using (pid)
       where l.locktype = 'relation' and l.granted and l.pid is distinct from pg_backend_pid()
         and l.database = (select oid from pg_database where datname = current_database())
         and l.relation in (select p::oid from tally.parts(source) as p)
         and (mode = 'access exclusive'
              or l.mode not in ('AccessShareLock', 'RowShareLock'));
      raise exception 'tally "%": % is in use by %', name, source,
                      coalesce(holders, 'a transaction that has ended meanwhile')
        using errcode = '55P03', detail = 'Nothing was changed.',
              hint = 'Try again after it ends, or end it with pg_terminate_backend.';
  end;
  perform set_config('lock_timeout', before, true);
end
$$;

-- 040_owner.sql
-- Acting as the owner of a source.
--
-- The expressions of a tally are the owner's code. A caller of create_tally, who may be a superuser, must never run them
-- with rights of its own. And the schema's owner must let the owner create the generated functions in schema tally without
-- a moment in which the owner could create others. Both are done through the stand-in, a small function in pg_temp. It
-- belongs to the owner of the source and is SECURITY DEFINER, where PostgreSQL allows no SET ROLE, so that the code it runs
-- cannot switch back. It runs the statement that is its argument.
--
-- If the stand-in exists with exactly this text, the session has proven that it may act as the owner: the functions of the
-- schema's owner look for that. Only the session can reach its pg_temp. The owner's code can reach it too while it runs, so
-- the stand-in is checked before each call.

create or replace function tally.stand_in_source() returns text
language sql immutable set search_path = pg_catalog, pg_temp as $$
  select $body$
declare
  answer pg_catalog.text;
begin
  if reads then
    execute statement into answer;
  else
    execute statement;
  end if;
  return answer;
end
$body$
$$;

-- Whether the session has proven that it may act as this role.
create or replace function tally.stands_in(owner oid) returns boolean
language sql stable set search_path = pg_catalog, pg_temp as $$
  select count(*) = 1
         and coalesce(bool_and(p.proowner = owner and p.prosecdef and p.proconfig is null and not p.proisstrict
                               and p.prokind = 'f' and p.prosrc = tally.stand_in_source()
                               and p.pronargdefaults = 0 and p.prorettype = 'pg_catalog.text'::regtype
                               and p.proargtypes = '25 16'::oidvector
                               and p.prolang = (select l.oid from pg_language l where l.lanname = 'plpgsql')), false)
    from pg_proc p
   where p.pronamespace = pg_my_temp_schema() and p.proname = 'pgtally_owner'
$$;

create or replace function tally.close_stand_in() returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if exists (select from pg_proc where pronamespace = pg_my_temp_schema() and proname = 'pgtally_owner') then
    execute 'drop function pg_temp.pgtally_owner(text, boolean)';
  end if;
end
$$;

create or replace function tally.event_trigger_hint() returns text
language sql immutable as $$
  select 'If an event trigger of this database refused it, that must allow the owner of the source to create functions and tables.'
$$;

create or replace function tally.open_stand_in(owner oid) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  role_before text := current_setting('role');
  switched boolean := owner <> (select oid from pg_roles where rolname = current_user);
  stand_in text := format('create function pg_temp.pgtally_owner(statement text, reads boolean) returns text '
                          'language plpgsql security definer as %L', tally.stand_in_source());
begin
  if not has_database_privilege(owner, current_database(), 'temporary') then
    raise exception 'role % needs the right to create temporary objects in database %',
                    pg_get_userbyid(owner), current_database()
      using errcode = '42501',
            hint = format('grant temporary on database %I to %I', current_database(), pg_get_userbyid(owner));
  end if;
  perform tally.close_stand_in();
  begin
    if switched then
      perform set_config('role', pg_get_userbyid(owner), true);
    end if;
    execute stand_in;
    execute 'grant execute on function pg_temp.pgtally_owner(text, boolean) to public';  -- the owner can have changed the default privileges
    if switched then
      perform set_config('role', role_before, true);
    end if;
  exception
    when others then
      raise exception 'role % cannot create a function in pg_temp: %', pg_get_userbyid(owner), sqlerrm
        using errcode = sqlstate, hint = tally.event_trigger_hint();
  end;
end
$$;

create or replace function tally.as_owner(owner oid, statement text) returns void
language plpgsql as $$
begin
  if not tally.stands_in(owner) then
    raise exception 'this session has not proven that it may act as role %', pg_catalog.pg_get_userbyid(owner)
      using errcode = '42501', hint = 'Call create_tally, alter_tally, drop_tally or reload.';
  end if;
  perform pg_temp.pgtally_owner(statement, false);
end
$$;

-- Parses a statement as the owner and runs nothing of it. The text of a caller may stand in it: OPEN fails for several
-- statements (42P11), so no text can add one.
create or replace function tally.open_as_owner(owner oid, statement text) returns void
language plpgsql as $$
begin
  perform tally.as_owner(owner, pg_catalog.format('do %L', pg_catalog.format($body$
    declare
      c pg_catalog.refcursor;
    begin
      open c for execute %L using null::pg_catalog.text, null::pg_catalog.json;
      close c;
    end
    $body$, statement)));
end
$$;

create or replace function tally.ask_owner(owner oid, question text) returns text
language plpgsql as $$
begin
  if not tally.stands_in(owner) then
    raise exception 'this session has not proven that it may act as role %', pg_catalog.pg_get_userbyid(owner)
      using errcode = '42501', hint = 'Call create_tally, alter_tally, drop_tally or reload.';
  end if;
  return pg_temp.pgtally_owner(question, true);
end
$$;

-- 045_names.sql
-- Names: where the columns and the source of a tally are today.
--
-- A column keeps its number when it is renamed, so definitions record numbers (attnums). A restored table has other
-- numbers: they hold for one table of one database of one cluster, its place. Elsewhere the recorded names hold, as they do
-- for a column that was dropped and added again.

-- The place where numbers of columns of this table hold.
create or replace function tally.place_of(source regclass) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select concat_ws('/', (select system_identifier from pg_control_system()),
                   (select oid from pg_database where datname = current_database()), source::oid)
$$;

-- The columns that the expressions of a definition read: today's attributes, in the order of code -> 'columns'. A column
-- that does not exist has null for its number; another one that the tally reads does not stand in for it by taking its name.
create or replace function tally.columns_today(d tally.definition)
returns table (place integer, recorded text, name text, number smallint, type oid)
language sql stable set search_path = pg_catalog, pg_temp as $$
  select c.place::integer, c.recorded, a.attname::text, a.attnum, a.atttypid
    from (select place, e ->> 'name' as recorded,
                 case when d.place = tally.place_of(d.source) then d.attnums[place] end as number
            from json_array_elements(d.code -> 'columns') with ordinality as u (e, place)) as c
         left join pg_attribute held on held.attrelid = d.source and held.attnum = c.number and not held.attisdropped
         left join pg_attribute a
           on a.attrelid = d.source and a.attnum > 0 and not a.attisdropped
              and case when held.attnum is not null then a.attnum = held.attnum
                       else a.attname = c.recorded and not (d.place = tally.place_of(d.source) and a.attnum = any (d.attnums)) end
   order by c.place
$$;

-- The names of those columns, for the generated functions. Null if there is no such tally: then its triggers were restored
-- without it, and must not speak for another one of its name.
create or replace function tally.column_names(number integer) returns text[]
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
  d tally.definition;
  c record;
  names text[] := '{}';
begin
  select * into d from tally.definition t where t.id = column_names.number;
  if not found then
    return null;
  elsif tally.name_of(d.source) is null then
    raise exception 'tally "%": its source % is gone', d.name, d.source_name
      using errcode = '42P01', hint = format('select tally.drop_tally(%L)', d.name);
  end if;
  for c in select * from tally.columns_today(d) loop
    if c.number is null then
      raise exception 'column % of % does not exist any more', quote_ident(c.recorded), d.source
        using errcode = '42703', hint = format('select tally.alter_tally(%L, ...) with expressions that do not read it', d.name);
    end if;
    names := names || c.name;
  end loop;
  return names;
end
$$;

-- Whether the columns have the names that a generated function uses. IMMUTABLE is not true, and that is the point: the
-- planner evaluates it once per plan, and PostgreSQL plans anew after each change of the table. So a writer pays nothing
-- for it, and a function never reads a column that took the name of another one.
create or replace function tally.reads_columns(number integer, names text[]) returns boolean
language plpgsql immutable security definer set search_path = pg_catalog, pg_temp as $$
begin
  return tally.column_names(number) = names;
end
$$;

-- The name of the source, for the generated functions.
create or replace function tally.source_name(number integer) returns text
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select tally.name_of(d.source) from tally.definition d where d.id = $1
$$;

-- The name of a table with its schema; null if there is no such table.
create or replace function tally.name_of(relation regclass) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select format('%I.%I', n.nspname, c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = relation
$$;

-- The functions that generated functions call.
create or replace function tally.owner_functions() returns text[]
language sql immutable as $$
  select '{"column_names(integer)","reads_columns(integer, text[])",source_name(integer)}'::text[]
$$;

-- Gives the owner of a source what the triggers need at run time.
create or replace function tally.grant_owner(owner oid) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  name name := pg_get_userbyid(owner);
  called text;
begin
  if not has_schema_privilege(owner, 'tally', 'usage') then
    execute format('grant usage on schema tally to %I', name);
  end if;
  if not has_sequence_privilege(owner, 'tally.event_number', 'usage') then
    execute format('grant usage on sequence tally.event_number to %I', name);
  end if;
  foreach called in array tally.owner_functions() loop
    if not has_function_privilege(owner, 'tally.' || called, 'execute') then
      execute format('grant execute on function tally.%s to %I', called, name);
    end if;
  end loop;
end
$$;

-- 050_understand.sql
-- Expressions: from the text of the arguments to the text that PostgreSQL prints for what it understood.
--
-- The owner parses each expression over an empty copy of the source in pg_temp, under fixed settings. There it becomes the
-- expression of a stored generated column. Such a column requires what a tally requires (IMMUTABLE; no subquery, aggregate,
-- window or set-returning function), and PostgreSQL prints its expression with every name qualified. So the search_path of
-- a writer cannot change the meaning.

-- The settings that convert values to text and text to values. The functions below run under them. A generated function
-- sets those that can affect its expressions.
create or replace function tally.settings() returns table (setting text, value text)
language sql immutable set search_path = pg_catalog, pg_temp as $$
  values ('DateStyle', 'ISO, YMD'), ('IntervalStyle', 'postgres'), ('TimeZone', 'UTC'), ('extra_float_digits', '1'),
         ('bytea_output', 'hex'), ('lc_monetary', 'C'), ('standard_conforming_strings', 'on'), ('array_nulls', 'on'),
         ('transform_null_equals', 'off'), ('quote_all_identifiers', 'off'), ('xmloption', 'content')
$$;

-- Whether no setting affects how values of the type become text, or how literals of the type are read.
create or replace function tally.is_plain_type(type oid) returns boolean
language sql stable set search_path = pg_catalog, pg_temp as $$
  select coalesce((select typtype = 'e'
                          or oid in ('bool'::regtype, 'int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'numeric'::regtype,
                                     'text'::regtype, 'varchar'::regtype, 'bpchar'::regtype, 'name'::regtype, '"char"'::regtype,
                                     'uuid'::regtype, 'oid'::regtype, 'unknown'::regtype, 'anyenum'::regtype,
                                     'json'::regtype, 'jsonb'::regtype, 'cstring'::regtype)
                          or typcategory = 'A' and typelem <> 0 and tally.is_plain_type(typelem)
                     from pg_type where oid = type), type = 0)
$$;

-- Whether an expression, as the tree of PostgreSQL's parser, uses only such types and only functions of PostgreSQL itself.
-- Then no setting but search_path affects it, and writers do not pay for the other settings.
create or replace function tally.is_plain(tree text) returns boolean
language sql stable set search_path = pg_catalog, pg_temp as $$
  select not exists (select from regexp_matches(tree, ':[A-Za-z_]*type ([0-9]+)', 'g') as m where not tally.is_plain_type(m[1]::oid))
         and not exists (select from regexp_matches(tree, ':[A-Za-z_]*(?:funcid|opno|func) ([0-9]+)', 'g') as m where m[1]::oid >= 16384)
         and tree !~ '[{](COERCETODOMAIN|XMLEXPR|SQLVALUEFUNCTION)'
$$;

-- Whether the expression with this tree can run in a parallel worker, as far as its functions tell.
create or replace function tally.is_parallel_safe(tree text) returns boolean
language sql stable set search_path = pg_catalog, pg_temp as $$
  select not exists (select from regexp_matches(tree, ':(?:funcid|opfuncid) ([1-9][0-9]*)', 'g') as m
                       left join pg_proc p on p.oid = m[1]::oid where p.proparallel is distinct from 's')
         and not exists (select from regexp_matches(tree, ':opno ([1-9][0-9]*)', 'g') as m
                           left join pg_operator o on o.oid = m[1]::oid
                           left join pg_proc p on p.oid = o.oprcode where p.proparallel is distinct from 's')
         and tree !~ '[{](COERCEVIAIO|COERCETODOMAIN|ARRAYCOERCEEXPR)'
$$;

-- Creates the probe, an empty table in pg_temp, for expressions as they are written: it has the columns of the source, and
-- its name if that is free there, so that an expression may say "likes.post_id".
create or replace function tally.open_probe(owner oid, source regclass) returns text
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  probe text := (select relname from pg_class where oid = source);
begin
  if exists (select from pg_class where relnamespace = pg_my_temp_schema() and relname = probe) then
    probe := 'pgtally_probe';
  end if;
  probe := format('pg_temp.%I', probe);
  begin
    perform tally.as_owner(owner, format('create table %s (like %s)', probe, tally.name_of(source)));
  exception
    when others then
      raise exception 'role % cannot create a table in pg_temp: %', pg_get_userbyid(owner), sqlerrm
        using errcode = sqlstate, hint = tally.event_trigger_hint();
  end;
  return probe;
end
$$;

-- Creates the probe for an expression that PostgreSQL holds: its columns have the names of the parameters, and today's types.
create or replace function tally.open_held_probe(owner oid, columns json) returns text
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  perform tally.as_owner(owner, format('create table pg_temp.pgtally_held (%s)',
    (select string_agg(format('%I %s', c.name, c.type), ', ') from json_to_recordset(columns) as c (name text, type text))));
  return 'pg_temp.pgtally_held';
end
$$;

-- A hint for an error in an expression, for errors to which PostgreSQL gives no good hint.
create or replace function tally.remedy(owner oid, probe text, path text, state text) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  columns text;
begin
  case
    when state = '42703' then
      select string_agg(quote_ident(attname), ', ' order by attnum) into columns
        from pg_attribute where attrelid = probe::regclass and attnum > 0 and not attisdropped;
      return 'The columns are ' || case when length(columns) > 500 then left(columns, 500) || '...' else columns end || '.';
    when state = '42601' then
      return 'Write one complete SQL expression over one row, such as post_id or case when stars > 3 then 1 end; '
             'names that are no plain words need double quotes.';
    when state in ('42803', '42P20', '0A000', '42809') then
      return 'Write an expression over one row''s columns, without aggregate, window or set-returning function and without '
             'subquery; the tally does the summing.';
    when state in ('42704', '42883', '42P01', '3F000') then
      return format('Names were looked for in %s: write the schema before a name that is elsewhere.', path);
    when state = '42501' then
      return format('It runs with the rights of the source''s owner: give role %s what is missing.', pg_get_userbyid(owner));
    else
      return 'Write an expression over one row''s columns that could be a stored generated column of the table.';
  end case;
end
$$;

-- Refuses a text that is not one complete expression. A cursor opens the statement around it, so that no second statement
-- can follow; and it stands in both kinds of brackets, so that a text that closes one kind does not close the other. WHERE
-- accepts no aggregate, window or set-returning function. Nothing of it runs.
create or replace function tally.check_expression(owner oid, probe text, expression text) returns void
language plpgsql as $$
begin
  perform tally.open_as_owner(owner, pg_catalog.format(E'select from %s where false and array[%s\n] is null', probe, expression));
  perform tally.open_as_owner(owner, pg_catalog.format(E'select from %s where false and (%s\n) is null', probe, expression));
end
$$;

-- The expression of the probe's generated column, as PostgreSQL prints it. A parameter of a function has the collation of
-- its type, so the text names the collation of a column that has another one. To be found in the text, such a column has
-- another name meanwhile.
create or replace function tally.print_expression(owner oid, probe text, columns json) returns text
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  sql text;
  c record;
  mark text := 'pgtally';
  collated constant text[] := array(
    select a.attname from json_to_recordset(columns) as r (number smallint)
           join pg_attribute a on a.attrelid = probe::regclass and a.attnum = r.number
           join pg_type t on t.oid = a.atttypid
     where a.attcollation <> t.typcollation);
begin
  for attempt in 1..2 loop
    select pg_get_expr(adbin, adrelid) into strict sql
      from pg_attrdef join pg_attribute on attrelid = adrelid and attnum = adnum
     where adrelid = probe::regclass and attname = 'pgtally_expression';
    exit when attempt = 2 or collated = '{}';
    while position(mark in sql) > 0 or exists (select from pg_attribute where attrelid = probe::regclass and position(mark in attname) > 0
                                                                              and attname <> 'pgtally_expression') loop
      mark := mark || '_';
    end loop;
    for c in select name, place from unnest(collated) with ordinality as u (name, place) loop
      perform tally.as_owner(owner, format('alter table %s rename column %I to %I', probe, c.name, format('%s_%s_', mark, c.place)));
    end loop;
  end loop;
  for c in
    select u.name, format('%s_%s_', mark, place) as marked, a.attcollation::regcollation as collation
      from unnest(collated) with ordinality as u (name, place)
           join pg_attribute a on a.attrelid = probe::regclass and a.attname = format('%s_%s_', mark, place)
  loop
    sql := replace(sql, c.marked, format('(%I collate %s)', c.name, c.collation));
    perform tally.as_owner(owner, format('alter table %s rename column %I to %I', probe, c.marked, c.name));
  end loop;
  return sql;
end
$$;

-- Understands one expression. Returns {"sql", "type" (oid), "plain", "parallel", "columns" (number in the probe, name and type
-- of those that it reads)}. The argument `what` names the expression in messages, such as counters: "rts".
create or replace function tally.understand(owner oid, probe text, what text, expression text, path text) returns json
language plpgsql
set search_path = pg_catalog, pg_temp set DateStyle = 'ISO, YMD' set IntervalStyle = postgres set TimeZone = 'UTC'
set extra_float_digits = 1 set bytea_output = hex set standard_conforming_strings = on set array_nulls = on
set transform_null_equals = off set quote_all_identifiers = off set xmloption = content as $$
declare
  type_found oid;
  sql text;
  columns json;
  tree text;
  state text;
  message text;
  remedy text;
begin
  perform set_config('search_path', 'pg_catalog, ' || path, true);
  perform tally.check_expression(owner, probe, expression);
  type_found := tally.ask_owner(owner, format(E'select pg_typeof(x)::oid from (select (%s\n) from %s limit 0) as s(x) '
                                              'right join (values (1)) as one on true', expression, probe));
  if (select typtype in ('c', 'p') or typcategory = 'A' from pg_type where oid = type_found) then
    raise exception 'type % is not a scalar type', format_type(type_found, null)
      using errcode = '42804', hint = 'Use an expression whose value is a single number, text, date or the like.';
  end if;
  perform tally.as_owner(owner, format(E'alter table %s add column pgtally_expression %s generated always as (%s\n) stored',
                                       probe, format_type(type_found, null), expression));
  perform set_config('search_path', 'pg_catalog, pg_temp', true);
  select adbin::text into strict tree
    from pg_attrdef join pg_attribute on attrelid = adrelid and attnum = adnum
   where adrelid = probe::regclass and attname = 'pgtally_expression';
  if tree ~ ':varattno -' then
    raise exception 'system columns cannot be counted'
      using errcode = '0A000', hint = 'Use the columns of the table itself.';
  end if;
  select coalesce(json_agg(json_build_object('number', attnum, 'name', attname, 'type', format_type(atttypid, -1)) order by attnum), '[]')
    into columns
    from pg_attribute
   where attrelid = probe::regclass and attnum in (select m[1]::smallint from regexp_matches(tree, ':varattno ([0-9]+)', 'g') as m);
  if json_array_length(columns) > 100 then
    raise exception 'it reads % columns', json_array_length(columns)
      using errcode = '54023', hint = 'A function of PostgreSQL has at most 100 parameters: use a stored generated column.';
  end if;
  sql := tally.print_expression(owner, probe, columns);
  perform tally.as_owner(owner, format('alter table %s drop column pgtally_expression', probe));
  return json_build_object('sql', sql, 'type', type_found, 'plain', tally.is_plain(tree) and position(chr(92) in sql) = 0,
                           'parallel', tally.is_parallel_safe(tree), 'columns', columns);
exception
  when others then
    get stacked diagnostics state = returned_sqlstate, message = message_text, remedy = pg_exception_hint;
    if state = '42P17' then
      message := 'the expression is not IMMUTABLE: ' || message;
      remedy := case
        when expression ~* '^ *("[^"]+"|[[:alnum:]_]+) *:: *date *$'
          then format('Write (%s at time zone ''UTC'')::date: which day it is must not depend on the writer''s time zone.',
                      substring(expression from '^ *("[^"]+"|[[:alnum:]_]+)'))
        else 'It may depend on the row alone, not on settings, the clock or other tables. Instead of datetime::date write '
             '(datetime at time zone ''UTC'')::date.' end;
    elsif state = '42P11' then
      state := '42601';
      message := 'several statements instead of one expression';
      remedy := null;
    end if;
    -- The message names the place in the statement around the expression.
    message := regexp_replace(message, ' in (WHERE|column generation expressions?)$', ' in an expression over one row');
    if position(E'\n]' in message) > 0 then  -- the expression leaves a comment open
      message := left(message, position(E'\n]' in message) - 1) || '"';
    elsif position(']' in expression) = 0 then
      message := replace(message, 'at or near "]"', 'at the end');
    end if;
    raise exception '%: %', what, message
      using errcode = state, detail = format('The expression: %s', expression),
            -- for an unknown column PostgreSQL suggests another, with the name of the probe
            hint = coalesce(case when state <> '42703' then nullif(remedy, '') end, tally.remedy(owner, probe, path, state));
end
$$;

-- 055_code.sql
-- The code of a definition: what PostgreSQL understood of its expressions, and the columns that they read.
--
--   {"key": E, "counters": [E, ...], "filter": E or null, "native": ..., "plain": ...,
--    "columns": [{"name", "type"}, ...]}                           of the source, each once
--   E = {"sql", "type", "parallel", "columns": [{"name", "type", "place"}, ...]}
--
-- Each expression becomes a function whose parameters are the columns that it reads (066_functions.sql). Such a function holds
-- types, functions and collations by object. So an expression that nobody changed is taken from its function: the name of
-- a parameter stays, and its "place" leads to the column in "columns". Before version 5 of the schema, "key" and "filter" were
-- texts, and there was no "columns".

-- An expression as PostgreSQL holds it, in the names of its parameters. `suffix` names the function.
create or replace function tally.held_sql(d tally.definition, suffix text, recorded json) returns text
language sql stable
set search_path = pg_catalog, pg_temp set DateStyle = 'ISO, YMD' set IntervalStyle = postgres set TimeZone = 'UTC'
set extra_float_digits = 1 set bytea_output = hex set standard_conforming_strings = on set quote_all_identifiers = off as $$
  select coalesce((select substring(pg_get_function_sqlbody(oid) from '^RETURN (.*)$')
                     from pg_proc where pronamespace = 'tally'::regnamespace and proname = format('tally_%s_%s', d.id, suffix)),
                  recorded ->> 'sql')
$$;

-- The held expression with a cast of each column whose type has changed to the type that the column had. An expression such as
-- w(n::integer) needs it: PostgreSQL keeps no cast to the type that a column has already. `columns`: name, type, type_then.
create or replace function tally.held_with_casts(owner oid, columns json, type text, expression text) returns text
language plpgsql
set search_path = pg_catalog, pg_temp set DateStyle = 'ISO, YMD' set IntervalStyle = postgres set TimeZone = 'UTC'
set extra_float_digits = 1 set bytea_output = hex set standard_conforming_strings = on set quote_all_identifiers = off as $$
declare
  probe text := tally.open_held_probe(owner, (select json_agg(json_build_object('name', name, 'type', type_then))
                                                from json_to_recordset(columns) as r (name text, type_then text)));
  mark text := 'pgtally';
  sql text;
  c record;
begin
  perform tally.check_expression(owner, probe, expression);
  perform tally.as_owner(owner, format(E'alter table %s add column pgtally_expression %s generated always as (%s\n) stored', probe, type, expression));
  while position(mark in expression || columns::text) > 0 loop
    mark := mark || '_';
  end loop;
  for c in select name, row_number() over () as i from json_to_recordset(columns) as r (name text, type text, type_then text) where r.type <> type_then loop
    perform tally.as_owner(owner, format('alter table %s rename column %I to %I', probe, c.name, format('%s_%s_', mark, c.i)));
  end loop;
  select pg_get_expr(adbin, adrelid) into strict sql from pg_attrdef where adrelid = probe::regclass;
  perform tally.as_owner(owner, format('drop table %s', probe));
  for c in select name, type_then, row_number() over () as i from json_to_recordset(columns) as r (name text, type text, type_then text) where r.type <> type_then loop
    sql := replace(sql, format('%s_%s_', mark, c.i), format('((%I)::%s)', c.name, c.type_then));
  end loop;
  return sql;
end
$$;

-- Understands one expression of a definition: `expression` if it is new; else the held one, `recorded`. Returns an E whose
-- columns have the number in the source instead of the place.
create or replace function tally.understand_one(owner oid, d tally.definition, probe text, what text, suffix text, expression text,
                                                recorded json) returns json
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  code json;
  columns json;
  held text;
  c record;
begin
  if recorded is null then
    code := tally.understand(owner, probe, what, expression, d.path);
    select json_agg(json_build_object('name', r.name, 'type', r.type, 'number', a.attnum)) into columns
      from json_to_recordset(code -> 'columns') as r (name text, type text)
           join pg_attribute a on a.attrelid = d.source and a.attname = r.name and a.attnum > 0 and not a.attisdropped;
  else
    for c in select r.name, t.number from json_to_recordset(recorded -> 'columns') as r (name text, place integer)
                    left join tally.columns_today(d) as t on t.place = r.place
    loop
      if c.number is null then
        raise exception '%: column % of % does not exist any more', what, quote_ident(c.name), d.source
          using errcode = '42703', hint = format('select tally.alter_tally(%L, %s => ...) with an expression that does not read it',
                                                 d.name, substring(what from '^[a-z]+'));
      end if;
    end loop;
    select json_agg(json_build_object('name', r.name, 'type', format_type(t.type, -1), 'number', t.number,
                                      'type_then', coalesce(format_type(p.proargtypes[r.i - 1], -1), r.type)) order by r.i) into columns
      from rows from (json_to_recordset(recorded -> 'columns') as (name text, type text, place integer)) with ordinality as r (name, type, place, i)
           join tally.columns_today(d) as t on t.place = r.place
           left join pg_proc p on p.pronamespace = 'tally'::regnamespace and p.proname = format('tally_%s_%s', d.id, suffix);
    held := tally.held_sql(d, suffix, recorded);
    probe := tally.open_held_probe(owner, columns);
    begin
      code := tally.understand(owner, probe, what, held, d.path);
    exception
      when others then
        if not exists (select from json_to_recordset(columns) as r (type text, type_then text) where r.type <> type_then) then
          raise;
        end if;
    end;
    if code is null then
      perform tally.as_owner(owner, format('drop table %s', probe));
      held := tally.held_with_casts(owner, columns, recorded ->> 'type', held);
      probe := tally.open_held_probe(owner, columns);
      code := tally.understand(owner, probe, what, held, d.path);
    end if;
    perform tally.as_owner(owner, format('drop table %s', probe));
  end if;
  select * into c from json_to_recordset(columns) as r (name text, number smallint)
                       join pg_attribute a on a.attrelid = d.source and a.attnum = r.number where a.attgenerated = 'v';
  if found then
    raise exception '%: column % is a virtual generated column', what, quote_ident(c.attname)
      using errcode = '0A000', detail = 'PostgreSQL gives triggers no values of virtual columns.',
            hint = 'Write its expression instead, or make it a stored column: generated always as (...) stored.';
  end if;
  return json_build_object('sql', code ->> 'sql', 'type', code ->> 'type', 'plain', code -> 'plain', 'parallel', code -> 'parallel',
                           'columns', coalesce(columns, '[]'));
end
$$;

-- The E to record: the name of its type, and places instead of numbers.
create or replace function tally.with_places(code json, numbers smallint[]) returns json
language sql stable set search_path = pg_catalog, pg_temp as $$
  select json_build_object('sql', code ->> 'sql', 'type', format_type((code ->> 'type')::oid, -1), 'parallel', code -> 'parallel', 'columns',
    (select coalesce(json_agg(json_build_object('name', r.name, 'type', r.type, 'place', array_position(numbers, r.number))), '[]')
       from json_to_recordset(code -> 'columns') as r (name text, type text, number smallint)))
$$;

-- Understands a whole definition: sets key_type, code, attnums and place. `fresh` has the arguments among key, counters and filter
-- that are new; the others are the ones of d.code.
create or replace function tally.understand_all(owner oid, d tally.definition, fresh text[]) returns tally.definition
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  probe text := tally.open_probe(owner, d.source);
  is_old constant boolean := d.code is not null and d.code -> 'columns' is null;
  key_code json;
  filter_code json;
  counter_codes json[] := '{}';
  one json;
  m record;
  base oid;
  numbers smallint[];
begin
  -- The texts of an older version are written with qualified names, of columns of the source: they are understood like new ones.
  key_code := tally.understand_one(owner, d, probe, 'key'::text, 'key'::text,
    case when 'key' = any (fresh) then d.key else d.code ->> 'key' end,
    case when not is_old and not 'key' = any (fresh) then d.code -> 'key' end);
  base := key_code ->> 'type';
  while (select typtype = 'd' from pg_type where oid = base) loop
    base := (select typbasetype from pg_type where oid = base);
  end loop;
  if (select typnamespace = 'pg_catalog'::regnamespace and typname ~ '^reg' from pg_type where oid = base) then
    raise exception 'key: the text of a value of type % changes when the object is renamed', format_type(base, null)
      using errcode = '42P17', hint = 'Cast it to oid.';
  end if;
  d.key_type := format_type(base, null);

  for m in select * from tally.members('counters'::text, d.counters) order by place loop
    one := d.code -> 'counters' -> (m.place - 1);
    one := tally.understand_one(owner, d, probe, format('counters: "%s"', m.member), 'c' || m.place,
      case when 'counters' = any (fresh) then m.content else one ->> 'sql' end,
      case when not is_old and not 'counters' = any (fresh) then one end);
    if (one ->> 'type')::oid not in ('int2'::regtype, 'int4'::regtype, 'int8'::regtype) then
      raise exception 'counters: "%" is of type %, not smallint, integer or bigint', m.member,
                      format_type((one ->> 'type')::oid, null)
        using errcode = '42804', detail = format('The expression: %s', m.content),
              hint = 'Counters are whole numbers: cast to bigint, or count in smaller units.';
    end if;
    counter_codes := counter_codes || one;
  end loop;

  if d.filter is not null then
    filter_code := tally.understand_one(owner, d, probe, 'filter'::text, 'filter'::text,
      case when 'filter' = any (fresh) then d.filter else d.code ->> 'filter' end,
      case when not is_old and not 'filter' = any (fresh) then d.code -> 'filter' end);
    if (filter_code ->> 'type')::oid <> 'bool'::regtype then
      raise exception 'filter: a condition is needed, not a value of type %', format_type((filter_code ->> 'type')::oid, null)
        using errcode = '42804', detail = format('The expression: %s', d.filter), hint = 'For example stars is not null.';
    end if;
  end if;
  perform tally.as_owner(owner, format('drop table %s', probe));

  select coalesce(array_agg(distinct (c ->> 'number')::smallint), '{}') into numbers
    from unnest(array_append(array_prepend(key_code, counter_codes), filter_code)) as e, json_array_elements(e -> 'columns') as c;
  d.code := json_build_object(
    'key', tally.with_places(key_code, numbers),
    -- Equal values of these types have equal texts: grouping by the value is right, and faster. Their texts need no escapes.
    'native', base in ('int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'uuid'::regtype, 'oid'::regtype, 'bool'::regtype)
              and (key_code ->> 'type')::oid = base,
    'counters', (select json_agg(tally.with_places(c, numbers) order by i) from unnest(counter_codes) with ordinality as u (c, i)),
    'filter', case when filter_code is not null then tally.with_places(filter_code, numbers) end,
    'plain', (select bool_and((e ->> 'plain')::boolean) from unnest(array_append(array_prepend(key_code, counter_codes), filter_code)) as e
               where e is not null) and tally.is_plain_type((key_code ->> 'type')::oid),
    'columns', (select coalesce(json_agg(json_build_object('name', a.attname, 'type', format_type(a.atttypid, -1)) order by i), '[]')
                  from unnest(numbers) with ordinality as u (number, i)
                       join pg_attribute a on a.attrelid = d.source and a.attnum = u.number));
  d.attnums := numbers;
  d.place := tally.place_of(d.source);
  return d;
end
$$;

-- 060_event.sql
-- Events, and what else several generated functions have in common.

-- An SQL expression that sends the text `payload` as an event. No other function knows the transports.
create or replace function tally.sending(transport text, payload text) returns text
language sql immutable set search_path = pg_catalog, pg_temp as $$
  select format('pg_catalog.pg_notify(''tally'', %s)', payload)
$$;

-- An SQL expression for the microseconds since 1970, as text.
create or replace function tally.now_text() returns text
language sql immutable as $$
  select '((date_part(''epoch'', clock_timestamp()) * 1e6)::bigint)::text'
$$;

-- An SQL expression for an event of this tally, without the last members and the closing brace. `n` is an SQL expression.
create or replace function tally.event_head(d tally.definition, n text default 'nextval(''tally.event_number'')::text') returns text
language sql immutable set search_path = pg_catalog, pg_temp as $$
  select format('''{"t":"%s","v":%s,"x":"'' || pg_current_xact_id()::text || ''","n":'' || %s || '',"at":'' || %s',
                d.name, d.v, n, tally.now_text())
$$;

-- The SET clauses of a generated function.
create or replace function tally.set_clauses(d tally.definition, plain boolean) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select case when plain then 'set search_path = pg_catalog, pg_temp'
              else (select string_agg(format('set %s = %s', setting,
                                             case when setting = 'DateStyle' then value else quote_literal(value) end), ' ')
                      from tally.settings())
                   || ' set search_path = pg_catalog, ' || tally.quoted_path(d.path) end
$$;

-- A search_path, built anew from the names in it, so that nothing else of a caller's text reaches a statement.
create or replace function tally.quoted_path(path text) returns text
language sql immutable set search_path = pg_catalog, pg_temp set quote_all_identifiers = off as $$
  select string_agg(quote_ident(case when m[1] like '"%' then replace(substr(m[1], 2, length(m[1]) - 2), '""', '"') else m[1] end),
                    ', ' order by i)
    from regexp_matches(path, '"(?:[^"]|"")+"|[^",[:space:]]+', 'g') with ordinality as r (m, i)
$$;

-- 062_sums.sql
-- The queries of the generated functions: sums per key.

-- The call of an expression's function. A place in a template for format(), such as %2$I, stands for each column.
create or replace function tally.call(d tally.definition, suffix text, code json) returns text
language sql immutable set search_path = pg_catalog, pg_temp as $$
  select format('tally.tally_%s_%s(%s)', d.id, suffix,
                (select string_agg(format('r.%%%s$I', c ->> 'place'), ', ') from json_array_elements(code -> 'columns') as c))
$$;

-- The template of the query of the sums per key, "select k, c1, c2, ... from ... group by k", over the rows that `kind` needs.
-- The comment in it is in the log of a server that logs the query, and so names the tally.
create or replace function tally.sums(d tally.definition, kind text) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  key text := case when (d.code ->> 'native')::boolean then tally.call(d, 'key'::text, d.code -> 'key')
                   else format('(%s)::text collate "C"', tally.call(d, 'key'::text, d.code -> 'key')) end;
  condition text := case when d.filter is null then '' else format(' where %s', tally.call(d, 'filter'::text, d.code -> 'filter')) end;
  rows_of text := case kind when 'insert' then 'new_rows' when 'delete' then 'old_rows'
                            else format('%%%s$s', json_array_length(d.code -> 'columns') + 1) end;
  weights text;
  counters text;
begin
  if kind = 'update' then
    select string_agg(format('%s as w%s', tally.call(d, 'c' || i, c), i), ', ' order by i),
           string_agg(format('coalesce(sum(w%s) filter (where is_new), 0) - coalesce(sum(w%s) filter (where not is_new), 0) as c%s',
                             i, i, i), ', ' order by i)
      into weights, counters
      from json_array_elements(d.code -> 'counters') with ordinality as e (c, i);
    return format('select /* tally "%s" */ k, %s from (select true as is_new, %s as k, %s from new_rows as r%s'
                  ' union all select false, %s, %s from old_rows as r%s) as changed group by k',
                  d.name, counters, key, weights, condition, key, weights, condition);
  end if;
  select string_agg(format('%scoalesce(sum(%s), 0) as c%s', case kind when 'delete' then '-' end, tally.call(d, 'c' || i, c), i), ', ' order by i)
    into counters
    from json_array_elements(d.code -> 'counters') with ordinality as e (c, i);
  return format('select /* tally "%s" */ %s as k, %s from %s as r%s group by 1', d.name, key, counters, rows_of, condition);
end
$$;

-- The condition for a row of sums to count: the key is valid, and not all sums are 0.
create or replace function tally.condition(d tally.definition) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select 'k is not null'
         || case when (d.code ->> 'native')::boolean then '' else ' and octet_length(k) <= 512' end
         || ' and (' || (select string_agg(format('c%s <> 0', i), ' or ') from generate_series(1, json_array_length(d.code -> 'counters')) as i) || ')'
$$;

-- The names of the columns when the functions are generated.
create or replace function tally.recorded_names(d tally.definition) returns text[]
language sql immutable set search_path = pg_catalog, pg_temp as $$
  select coalesce(array_agg(c ->> 'name' order by i), '{}') from json_array_elements(d.code -> 'columns') with ordinality as u (c, i)
$$;

-- 064_trigger_functions.sql
-- The functions of the triggers.
--
-- Each expression is a function of its own, `language sql ... return <expression>`. PostgreSQL keeps such a body parsed, so a
-- rename of anything that it uses changes nothing, and inlines it, so it costs a writer nothing. Its parameters are the
-- columns that it reads: a function over the row type of the source would make PostgreSQL refuse changes of the table.
--
-- The whole cost for a writer is in the trigger functions. One query sums the rows of the statement per key and prints each
-- key's part of an event. If the parts do not fit into one event, a loop distributes them over several.
--
-- No error of an expression reaches the writer. The query stands in a block with an exception handler. At first it reads the
-- columns by the names of the time when the function was generated; if these do not fit any more, or on an error, again by
-- today's names. An error of that is sent as an event "broken". The events are sent after the block: by another transport
-- than NOTIFY, what is sent inside a block would give each statement the id of a subtransaction.
--
-- Sums of bigint are numeric, so that no sum overflows. If a bigint cannot hold a sum, or if a statement changes more than
-- a million keys, the trigger sends a "reload" event.

create or replace function tally.trigger_body(d tally.definition, kind text) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  part text;      -- SQL expression: the part of a key in an event
  wide text;      -- SQL condition: a bigint can hold each sum
  template text;  -- the query of the parts
  budget integer := 7999 - 101 - octet_length(d.name) - octet_length(d.v::text);  -- bytes for parts beside the longest head
begin
  part := case when (d.code ->> 'native')::boolean then '''["'' || k::text || ''"''' else '''['' || to_json(k)::text' end
          || (select string_agg(format(' || '','' || c%s::text', i), '') || ' || '']'''
                from generate_series(1, json_array_length(d.code -> 'counters')) as i);
  select string_agg(format('c%s between -9223372036854775808 and 9223372036854775807', i), ' and ') into wide
    from json_array_elements(d.code -> 'counters') with ordinality as e (c, i)
   where c ->> 'type' = 'bigint';
  if wide is not null then
    part := format('case when %s then %s end', wide, part);
  end if;
  template := format('(select %s as part from (%s) as sums where %s limit 1000001) as counted', part, tally.sums(d, kind), tally.condition(d));
  return format($body$
#variable_conflict use_column
declare
  today text[];
  fits boolean;
  parts text[];
  part text;
  deltas text;
  events text[];
  event text;
  state text;
  message text;
begin
  for attempt in 1..2 loop
    begin
      events := '{}';
      if attempt = 1 then
        select array_agg(part), tally.reads_columns(%2$s, %1$L) into parts, fits from %3$s;
      end if;
      if attempt = 2 or fits is not true then
        today := tally.column_names(%2$s);
        exit when today is null;
        execute format(%4$L, variadic today) into parts;
      end if;
      exit when parts is null;
      if cardinality(parts) > 1000000 %5$s then
        events := array[%6$s || ',"reload":true}'];
        exit;
      end if;
      deltas := array_to_string(parts, ',');
      if octet_length(deltas) <= %7$s then
        events := array[%6$s || ',"d":[' || deltas || ']}'];
        exit;
      end if;
      deltas := null;
      foreach part in array parts loop
        if octet_length(deltas) + octet_length(part) >= %7$s then
          events := events || (%6$s || ',"d":[' || deltas || ']}');
          deltas := part;
        else
          deltas := coalesce(deltas || ',', '') || part;
        end if;
      end loop;
      events := events || (%6$s || ',"d":[' || deltas || ']}');
      exit;
    exception
      when others then
        get stacked diagnostics state = returned_sqlstate, message = message_text;
        events := array[%8$s || ',"broken":' || to_json(state || ' ' || left(message, 500))::text || '}'];
    end;
  end loop;
  foreach event in array events loop
    if %9$s is null then null; end if;
  end loop;
  return null;
end
$body$, tally.recorded_names(d)::text, d.id, format(template, variadic tally.recorded_names(d)), 'select array_agg(part) from ' || template,
        case when wide is not null then 'or array_position(parts, null) is not null' else '' end,
        tally.event_head(d), budget, tally.event_head(d, tally.now_text()), tally.sending(d.transport, 'event'::text));
end
$$;

-- TRUNCATE of the source sets every counter to 0. TRUNCATE of a partition removes rows that nothing has counted by key, so
-- replicas must load again. If it cannot take a number for the event, it takes the time.
create or replace function tally.truncate_body(d tally.definition) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select format($body$
declare
  event text;
begin
  begin
    if tally.column_names(%1$s) is null then
      return null;
    end if;
    event := %2$s;
  exception
    when others then
      event := %3$s;
  end;
  event := event || case tg_argv[0] when 'source' then ',"truncate":true}' else ',"reload":true}' end;
  if %4$s is null then null; end if;
  return null;
end
$body$, d.id, tally.event_head(d), tally.event_head(d, tally.now_text()), tally.sending(d.transport, 'event'::text))
$$;

-- 066_functions.sql
-- All functions of a tally, and whether an installation would generate others.

-- The beginning of every function that the schema's owner calls. If the owner of the function has altered it to run with
-- the rights of the caller, it fails here, before any other code of the owner. All names are qualified, because the owner
-- can also have altered the search_path of the function. Roles are compared by number: names change.
create or replace function tally.self_check(signature text) returns text
language sql immutable set search_path = pg_catalog, pg_temp as $$
  select format($body$
  if not exists (select from pg_catalog.pg_proc p join pg_catalog.pg_roles r on r.oid operator(pg_catalog.=) p.proowner
                  where p.oid operator(pg_catalog.=) (%L::pg_catalog.regprocedure)::pg_catalog.oid
                    and r.rolname operator(pg_catalog.=) current_user) then
    raise exception 'a function that pgtally generated was altered' using errcode = '42501', hint = 'Call tally.reload.';
  end if;$body$, signature)
$$;

-- 200_act.sql replaces it.
create or replace function tally.generate_act(d tally.definition) returns setof text
language sql as 'select null::text where false';

-- The functions of the expressions of a definition.
create or replace function tally.expressions(d tally.definition) returns table (suffix text, code json)
language sql stable set search_path = pg_catalog, pg_temp as $$
  select 'key', d.code -> 'key'
  union all
  select 'c' || i, c from json_array_elements(d.code -> 'counters') with ordinality as u (c, i)
  union all
  select 'filter', d.code -> 'filter' where d.filter is not null
$$;

-- The query for the counters, as a format for the names of the columns and the name of the source.
create or replace function tally.truth_template(d tally.definition) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select format('select k::text, array[%s]::bigint[] from (%s) as sums where %s',
                (select string_agg('c' || i, ', ') from generate_series(1, json_array_length(d.code -> 'counters')) as i),
                tally.sums(d, 'truth'::text), tally.condition(d))
$$;

-- The statements that create the functions of a tally. The owner runs them.
create or replace function tally.generate_functions(d tally.definition) returns setof text
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  kind text;
  e record;
  called text;
  schema_owner name := (select pg_get_userbyid(nspowner) from pg_namespace where nspname = 'tally');
  template text;
begin
  for e in select * from tally.expressions(d) loop
    called := format('tally.tally_%s_%s(%s)', d.id, e.suffix,
                     (select string_agg(c ->> 'type', ', ') from json_array_elements(e.code -> 'columns') as c));
    return next format('create or replace function tally.tally_%s_%s(%s) returns %s language sql immutable %s return %s', d.id, e.suffix,
                       (select string_agg(format('%I %s', c ->> 'name', c ->> 'type'), ', ') from json_array_elements(e.code -> 'columns') as c),
                       e.code ->> 'type', case when (e.code ->> 'parallel')::boolean then 'parallel safe' else '' end, e.code ->> 'sql');
    return next format('revoke all on function %s from public', called);
  end loop;

  foreach kind in array array['insert', 'update', 'delete', 'truncate'] loop
    return next format('create or replace function tally.tally_%s_%s() returns trigger language plpgsql security definer %s as %L',
                       d.id, kind, tally.set_clauses(d, (d.code ->> 'plain')::boolean),
                       case kind when 'truncate' then tally.truncate_body(d) else tally.trigger_body(d, kind) end);
    return next format('revoke all on function tally.tally_%s_%s() from public', d.id, kind);
  end loop;

  called := format('tally.tally_%s_truth()', d.id);
  template := tally.truth_template(d);
  return next format('create or replace function %s returns table (k text, c bigint[]) '
                     'language plpgsql stable security definer %s set row_security = off as %L',
    called, tally.set_clauses(d, (d.code ->> 'plain')::boolean),
    format(E'\nbegin%s\n  return query execute format(%L, variadic tally.column_names(%s) || tally.source_name(%s));\nend\n',
           tally.self_check(called), template, d.id, d.id));
  return next format('revoke all on function %s from public', called);
  return next format('grant execute on function %s to %I', called, schema_owner);

  called := format('tally.tally_%s_lock()', d.id);
  return next format('create or replace function %s returns void '
                     'language plpgsql security definer set search_path = pg_catalog, pg_temp as %L',
    called, format(E'\nbegin%s\n  execute format(''lock table %%s in access share mode'', tally.source_name(%s));\nend\n',
                   tally.self_check(called), d.id));
  return next format('revoke all on function %s from public', called);
  return next format('grant execute on function %s to %I', called, schema_owner);

  return query select * from tally.generate_act(d);
  return query select * from tally.generate_try(d);
end
$$;

-- The hash of the functions that this installation generates for a definition. tally.build() records it.
create or replace function tally.hash_of_functions(d tally.definition) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select md5(string_agg(statement, E'\n' order by place))
    from tally.generate_functions(d) with ordinality as g (statement, place)
   where statement like 'create %'  -- grants name the schema's owner, who is no part of a function
$$;

-- Whether the functions of a tally differ from those that this installation generates. That can change with an installation
-- only: 900_finish.sql asks, and records the answer.
create or replace function tally.is_outdated(d tally.definition) returns boolean
language sql stable set search_path = pg_catalog, pg_temp as $$
  select case when d.code -> 'columns' is null or d.v is null then true else d.generated <> tally.hash_of_functions(d) end
$$;

-- The name of a generated function, as a pattern.
create or replace function tally.generated_name() returns text
language sql immutable as $$
  select '^tally_[0-9]+_[a-z0-9]+$'
$$;

-- The generated functions of a tally that exist. By a range of names, which the index of pg_proc serves.
create or replace function tally.functions_of(number integer) returns setof pg_proc
language sql stable set search_path = pg_catalog, pg_temp as $$
  select p from pg_proc p
   where p.proname between format('tally_%s_', number) and format('tally_%s_~', number)
     and p.pronamespace = 'tally'::regnamespace and p.proname ~ tally.generated_name()
$$;

-- 068_triggers.sql
-- The triggers of a tally.

-- Tables that have triggers of the tally but are not part of its source: detached partitions, a former source, a restored
-- table of the same name.
create or replace function tally.left_behind(number integer, source regclass) returns setof regclass
language sql stable set search_path = pg_catalog, pg_temp as $$
  select distinct t.tgrelid::regclass
    from tally.functions_of(number) p join pg_trigger t on t.tgfoid = p.oid
   where t.tgrelid not in (select part from tally.parts(source) as part)
$$;

-- The statements that create its triggers on every part of the source where they are missing or wrong, and that drop them
-- from all other tables.
create or replace function tally.generate_triggers(d tally.definition) returns setof text
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  kind text;
  part regclass;
  argument text;
begin
  for part in select p from tally.left_behind(d.id, d.source) as p loop
    foreach kind in array array['insert', 'update', 'delete', 'truncate'] loop
      return next format('drop trigger if exists tally_%s_%s on %s', d.id, kind, part);
    end loop;
  end loop;
  for part in select p from tally.parts(d.source) as p loop
    foreach kind in array array['insert', 'update', 'delete', 'truncate'] loop
      argument := case when kind <> 'truncate' then '' when part = d.source then 'source' else 'part' end;
      -- A trigger that is right stays: PostgreSQL refuses to replace one while deferred checks of its table are pending.
      continue when exists (select from pg_trigger
                             where tgrelid = part and tgname = format('tally_%s_%s', d.id, kind) and tgenabled = 'A'
                               and tgfoid = to_regproc(format('tally.tally_%s_%s', d.id, kind))
                               and tgargs = convert_to(argument, 'UTF8') || decode(case when argument = '' then '' else '00' end, 'hex'));
      return next format('create or replace trigger tally_%s_%s after %s on %s %s for each statement execute function tally.tally_%s_%s(%s)',
        d.id, kind, kind, part,
        case kind when 'insert' then 'referencing new table as new_rows'
                  when 'delete' then 'referencing old table as old_rows'
                  when 'update' then 'referencing old table as old_rows new table as new_rows' else '' end,
        d.id, kind, case when argument = '' then '' else quote_literal(argument) end);
      return next format('alter table %s enable always trigger tally_%s_%s', part, d.id, kind);
    end loop;
  end loop;
end
$$;

-- 070_register.sql
-- The registry: the steps that need the rights of the schema's owner. Each function requires a stand-in (040_owner.sql), so
-- that a direct call gives no role more than create_tally, alter_tally, drop_tally and reload do. Nothing that a caller says
-- is believed but the arguments as they were written: what they mean is understood here.

-- The roles that may alter or drop a tally: the owner of the source; the owner of the generated functions, who differs if
-- the source was dropped or has another owner now; if neither exists, the schema's owner.
create or replace function tally.owners(d tally.definition) returns setof oid
language sql stable set search_path = pg_catalog, pg_temp as $$
  with owner (oid) as (
    select relowner from pg_class where oid = d.source
    union
    select proowner from pg_proc where pronamespace = 'tally'::regnamespace and proname = format('tally_%s_truth', d.id))
  select oid from owner
  union all
  select nspowner from pg_namespace where nspname = 'tally' and not exists (select from owner)
$$;

-- The definition with that name, or null, for functions that run with the rights of the caller.
create or replace function tally.look_up(name text) returns tally.definition
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select d from tally.definition d where d.name = $1
$$;

-- Tells servers that the definition is another one.
create or replace function tally.announce(name text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  -- By NOTIFY, for every transport: a server that does not know the tally yet listens there.
  execute 'select ' || tally.sending('notify'::text, '$1')
    using format('{"t":%s,"v":%s,"x":"%s","n":%s,"definition":true}', to_json(name), coalesce((tally.look_up(name)).v, 0),
                 pg_current_xact_id(), nextval('tally.event_number'));
end
$$;

-- Makes every replica load the tally again.
create or replace function tally.ask_for_reload(name text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  d tally.definition := tally.look_up(name);
begin
  execute 'select ' || tally.sending(d.transport, tally.event_head(d) || ' || '',"reload":true}''');
end
$$;

-- Drops the generated functions of tallies that do not exist, and with them their triggers: a dump without data leaves them.
create or replace function tally.drop_orphans() returns void
language plpgsql set search_path = pg_catalog, pg_temp set client_min_messages = notice as $$
declare
  orphan name;
  tables text;
  lock_before text := current_setting('lock_timeout');
begin
  if lock_before::interval = '0' or lock_before::interval > '10 s' then
    perform set_config('lock_timeout', '10s', true);
  end if;
  for orphan, tables in
    select p.proname, (select string_agg(distinct t.tgrelid::regclass::text, ', ') from pg_trigger t where t.tgfoid = p.oid)
      from pg_proc p
     where p.pronamespace = 'tally'::regnamespace and p.proname ~ tally.generated_name()
       and substring(p.proname from '[0-9]+')::integer not in (select id from tally.definition)
     order by p.oid
  loop
    if tables is not null then
      raise notice '%: the trigger that calls % is dropped, because its tally does not exist', tables, orphan;
    end if;
    perform set_config('client_min_messages', 'warning', true);  -- PostgreSQL names what else is dropped
    begin
      execute format('drop function tally.%I cascade', orphan);
    exception
      when lock_not_available then
        raise exception 'triggers of a tally that does not exist are on %, which is in use', tables
          using errcode = '55P03', detail = 'Nothing was changed.', hint = 'They must be dropped first. Try again later.';
    end;
    perform set_config('client_min_messages', 'notice', true);
  end loop;
  perform set_config('lock_timeout', lock_before, true);
end
$$;

-- Creates the functions of a definition and, if `triggers_too`, its triggers. The source must be locked for triggers.
create or replace function tally.build(number integer, triggers_too boolean) returns void
language plpgsql
set search_path = pg_catalog, pg_temp set DateStyle = 'ISO, YMD' set IntervalStyle = postgres set TimeZone = 'UTC'
set extra_float_digits = 1 set bytea_output = hex set standard_conforming_strings = on set array_nulls = on
set transform_null_equals = off set quote_all_identifiers = off set xmloption = content as $$
declare
  d tally.definition;
  owner oid;
  owner_name name;
  can_create boolean;
  statement text;
  held name;
begin
  -- One session at a time: two that grant and revoke on one schema fail with "tuple concurrently updated".
  lock table tally.definition in share row exclusive mode;
  select * into strict d from tally.definition t where t.id = number;
  owner := (select relowner from pg_class where oid = d.source);
  owner_name := pg_get_userbyid(owner);
  if owner is null or not tally.stands_in(owner) then
    raise exception 'this session has not proven that it may act as the owner of %', d.source_name
      using errcode = '42501', hint = 'Call create_tally, alter_tally or reload.';
  end if;
  update tally.definition t set generated = tally.hash_of_functions(d) where t.id = number;
  perform tally.grant_owner(owner);

  -- Their parameters can have other types now. No writer is under way: the source is locked. (By name, for this role need not
  -- have a right on the schemas of those types.)
  if triggers_too then
    for held in select proname from pg_proc where pronamespace = 'tally'::regnamespace and proname ~ format('^tally_%s_(key|filter|c[0-9]+)$', number) loop
      execute format('drop function tally.%I', held);
    end loop;
  end if;

  -- The owner has CREATE on the schema only while the generated statements run. They run no code of the owner.
  can_create := has_schema_privilege(owner, 'tally', 'create');
  if not can_create then
    execute format('grant create on schema tally to %I', owner_name);
  end if;
  for statement in
    select tally.generate_functions(d)
    union all
    select tally.generate_triggers(d) where triggers_too
  loop
    begin
      perform tally.as_owner(owner, statement);
    exception
      when others then
        raise exception 'tally "%": its functions and triggers cannot be created: %', d.name, sqlerrm
          using errcode = sqlstate, detail = format('The statement: %s', left(statement, 200)),
                hint = tally.event_trigger_hint();
    end;
  end loop;
  if not can_create then
    execute format('revoke create on schema tally from %I', owner_name);
  end if;
end
$$;

-- Records a definition, new (no id) or changed, and creates its functions and triggers. `fresh` has the arguments among key,
-- counters, filter, materialize and actions that are new.
create or replace function tally.register(d tally.definition, fresh text[]) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set client_min_messages = warning as $$
declare
  known tally.definition;
  owner oid := (select relowner from pg_class where oid = d.source);
  stale name;
begin
  if owner is null or not tally.stands_in(owner) then
    raise exception 'this session has not proven that it may act as the owner of %', d.source
      using errcode = '42501', hint = 'Call create_tally, alter_tally or reload.';
  end if;
  perform tally.check_form(d);
  perform tally.check_source(d.source);
  d.path := tally.quoted_path(d.path);
  d.source_name := tally.name_of(d.source);

  lock table tally.definition in share row exclusive mode;
  select * into known from tally.definition t where t.name = d.name;
  if d.id is null and known.id is not null then
    raise exception 'name: there is a tally "%" already, with another definition', d.name
      using errcode = '42710', hint = 'Change it with alter_tally, or drop it with drop_tally first.';
  elsif d.id is not null and known.id is distinct from d.id then
    raise exception 'tally "%" was dropped meanwhile', d.name using errcode = '42704', hint = 'Create it with create_tally.';
  elsif d.id is not null and owner not in (select tally.owners(known)) then
    raise exception 'tally "%" belongs to %', d.name, known.source_name
      using errcode = '42501', hint = 'Its owner has to drop it first.';
  end if;

  -- What was understood before: not what the caller says of it.
  d.code := known.code;
  d.attnums := known.attnums;
  d.place := known.place;
  d := tally.understand_all(owner, d, case when known.id is null or known.source_name <> d.source_name and known.source <> d.source
                                           then fresh || array['key', 'counters', 'filter'] else fresh end);
  -- What was there before does not stand in the way of a repair: the tally counts without it.
  if 'actions' = any (fresh) then
    perform tally.check_actions(owner, d);
  end if;
  if d.materialize is not null then
    begin
      d := tally.prepare_materialize(owner, d);
    exception
      when others then
        if 'materialize' = any (fresh) then
          raise;
        end if;
        raise warning 'tally "%": %', d.name, sqlerrm using errcode = sqlstate;
    end;
  end if;

  if d.id is null then
    perform tally.drop_orphans();
    d.v := nextval('tally.definition_number');
    insert into tally.definition (name, source, source_name, key, counters, filter, transport, materialize, actions, path,
                                  key_type, code, v, attnums, place)
    values (d.name, d.source, d.source_name, d.key, d.counters, d.filter, d.transport, d.materialize, d.actions, d.path,
            d.key_type, d.code, d.v, d.attnums, d.place)
    returning id into d.id;
  else
    d.v := known.v;
    if d.v is null or known.source <> d.source or known.key_type <> d.key_type or known.transport <> d.transport
       or known.generated <> tally.hash_of_functions(d) then
      d.v := nextval('tally.definition_number');
    end if;
    update tally.definition t
       set source = d.source, source_name = d.source_name, key = d.key, counters = d.counters, filter = d.filter,
           transport = d.transport, materialize = d.materialize, actions = d.actions, path = d.path, key_type = d.key_type,
           code = d.code, v = d.v, attnums = d.attnums, place = d.place
     where t.id = d.id;
    -- Functions of another owner cannot be replaced, and a former source keeps its triggers: drop both.
    for stale in
      select proname from tally.functions_of(d.id)
       where (proowner <> owner or known.source <> d.source)
    loop
      execute format('drop function tally.%I cascade', stale);
    end loop;
  end if;

  perform tally.build(d.id, true);
end
$$;

-- Generates the functions of a tally again, after an installation. The triggers stay, so no source is locked.
create or replace function tally.renew(number integer) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set client_min_messages = warning as $$
declare
  d tally.definition;
  owner oid;
begin
  lock table tally.definition in share row exclusive mode;
  select * into strict d from tally.definition t where t.id = number;
  owner := (select relowner from pg_class where oid = d.source);
  d := tally.understand_all(owner, d, '{}');
  update tally.definition t
     set v = nextval('tally.definition_number'), code = d.code, key_type = d.key_type, attnums = d.attnums, place = d.place
   where t.id = number;
  perform tally.build(number, false);
end
$$;

-- Drops a tally: its functions, with them its triggers, and its definition.
create or replace function tally.unregister(name text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set client_min_messages = warning as $$
declare
  known tally.definition;
  owner oid;
  stale name;
  called text;
begin
  lock table tally.definition in share row exclusive mode;
  select * into known from tally.definition t where t.name = $1;
  if not found then
    raise exception 'there is no tally "%"', $1 using errcode = '42704', hint = 'select name from tally.tallies lists all.';
  elsif not exists (select from tally.owners(known) as o where tally.stands_in(o)) then
    raise exception 'this session has not proven that it may act as the owner of %', known.source_name
      using errcode = '42501', hint = 'Call drop_tally.';
  end if;
  select proowner into owner from pg_proc
   where pronamespace = 'tally'::regnamespace and proname = format('tally_%s_truth', known.id);
  for stale in
    select proname from tally.functions_of(known.id)
  loop
    execute format('drop function tally.%I cascade', stale);
  end loop;
  perform tally.announce($1);
  delete from tally.definition t where t.id = known.id;
  -- With its last tally the owner loses these rights, so that the role can be dropped.
  if owner is not null
     and not exists (select from pg_proc
                      where pronamespace = 'tally'::regnamespace and proname ~ '^tally_[0-9]+_truth$' and proowner = owner)
     and owner <> (select nspowner from pg_namespace where nspname = 'tally') then
    execute format('revoke usage on sequence tally.event_number from %I', pg_get_userbyid(owner));
    if not exists (select from tally.creators() as c where c = pg_get_userbyid(owner)) then
      foreach called in array tally.owner_functions() loop
        execute format('revoke execute on function tally.%s from %I', called, pg_get_userbyid(owner));
      end loop;
    end if;
  end if;
end
$$;

-- 080_materialize.sql
-- The table of a materialized tally: found, checked, or created.

-- The current table, by its stored name schema.table: one row, for create_tally and for servers. Only this function
-- decides which table it is, which column is the key, and how the columns are quoted. It needs no right of the caller on
-- the table.
create or replace function tally.materialize_target(
  target text, key_type text, counters text[],
  out identity text,        -- differs for another table and after TRUNCATE; null if there is no such table
  out key_columns text[],   -- the columns that can be the key, quoted: of the key's type, and unique by themselves
  out key_types text[],     -- their types
  out rounding text[],      -- those of them that do not keep every value of the type, such as numeric(10,2)
  out columns text[],       -- the columns of the counters, quoted
  out missing text[],       -- the counters without a column
  out mistyped text[])      -- the counters whose column is neither bigint nor numeric
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
  found_table regclass := tally.table_named(target);
begin
  identity := found_table::oid || '/' || coalesce(pg_relation_filenode(found_table)::text, '');
  select coalesce(array_agg(k.name order by k.name), '{}'), coalesce(array_agg(k.type order by k.name), '{}'),
         coalesce(array_agg(k.name order by k.name) filter (where k.rounds), '{}')
    into key_columns, key_types, rounding
    from (select distinct quote_ident(attname) as name, format_type(atttypid, -1) as type,
                 atttypmod <> -1 and atttypid not in ('varchar'::regtype, 'bpchar'::regtype) as rounds
            from pg_index join pg_attribute on attrelid = indrelid and attnum = indkey[0]
           where indrelid = found_table and indisunique and indisvalid and indimmediate and indnkeyatts = 1
             and indpred is null and indexprs is null
             and format_type(atttypid, null) = materialize_target.key_type) as k;
  select coalesce(array_agg(quote_ident(c) order by i), '{}'),
         coalesce(array_agg(c order by i) filter (where atttypid is null), '{}'),
         coalesce(array_agg(c order by i) filter (where atttypid not in ('int8'::regtype, 'numeric'::regtype)), '{}')
    into columns, missing, mistyped
    from unnest(counters) with ordinality as u (c, i)
         left join pg_attribute on attrelid = found_table and attname = c and attnum > 0 and not attisdropped;
end
$$;

create or replace function tally.prepare_materialize(owner oid, d tally.definition) returns tally.definition
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  target regclass;
  parsed text[];
  rel pg_class;
  server name;
  found_table record;
  unfit text;
begin
  begin
    parsed := parse_ident(d.materialize);
    perform set_config('search_path', d.path, true);
    target := tally.ask_owner(owner, pg_catalog.format('select pg_catalog.to_regclass(%L)::pg_catalog.oid', d.materialize))::pg_catalog.oid;
    perform pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    if cardinality(parsed) > 2 then
      raise exception using errcode = 'syntax_error';
    end if;
  exception
    when syntax_error or invalid_name or invalid_parameter_value or feature_not_supported then
      raise exception 'materialize: "%" is not the name of a table', d.materialize
        using errcode = '42602', hint = 'Write it as in SQL: schema.table, with double quotes where SQL needs them.';
  end;

  if target is null then
    -- The owner creates it, with the owner's rights.
    if cardinality(parsed) = 1 then
      parsed := array[(parse_ident(split_part(d.path, ',', 1)))[1], parsed[1]];
    end if;
    if parsed[1] = 'pg_temp' or to_regnamespace(quote_ident(parsed[1])) is null then
      raise exception 'materialize: there is no schema for table %', d.materialize
        using errcode = '3F000', hint = 'Create the schema first, and write it before the table: schema.table.';
    end if;
    begin
      perform tally.as_owner(owner, format('create table %I.%I (%I %s primary key, %s)', parsed[1], parsed[2],
        case when d.counters -> 'key' is null then 'key' else 'tally_key' end,
        format_type(to_regtype(d.key_type), -1),  -- a "character" without a length is one character
        (select string_agg(format('%I bigint not null default 0', m.member), ', ' order by m.place)
           from tally.members('counters'::text, d.counters) as m)));
    exception
      when others then
        raise exception 'materialize: table %.% cannot be created: %', quote_ident(parsed[1]), quote_ident(parsed[2]), sqlerrm
          using errcode = sqlstate,
                hint = format('Role %s creates it: grant that role what is missing, or create the table yourself.', pg_get_userbyid(owner));
    end;
    d.materialize := format('%I.%I', parsed[1], parsed[2]);
    for server in select tally.servers() loop
      perform tally.grant_table(owner, d.materialize, server);
    end loop;
    return d;
  end if;

  select * into rel from pg_class where oid = target;
  d.materialize := (select format('%I.%I', nspname, rel.relname) from pg_namespace where oid = rel.relnamespace);
  if rel.relkind not in ('r', 'p') or rel.relpersistence = 't' or rel.relnamespace in ('pg_catalog'::regnamespace, 'tally'::regnamespace) then
    raise exception 'materialize: % is not a table that can hold counters', d.materialize
      using errcode = '42809', hint = 'Name an ordinary table, or one that does not exist yet.';
  elsif target = d.source then
    raise exception 'materialize: % is the source itself', d.materialize
      using errcode = '22023', hint = 'Name another table.';
  end if;
  -- A server writes the table with rights of its own. The owner of the source must not reach more than these rights allow:
  -- it needs them too.
  if not has_table_privilege(owner, target, 'insert') or not has_table_privilege(owner, target, 'update') then
    raise exception 'materialize: role % may not write %', pg_get_userbyid(owner), d.materialize
      using errcode = '42501', hint = format('grant select, insert, update on %s to %I', d.materialize, pg_get_userbyid(owner));
  end if;
  select * into found_table
    from tally.materialize_target(d.materialize, d.key_type, array(select m.member from tally.members('counters'::text, d.counters) as m
                                                                    order by m.place));
  unfit := (found_table.missing || found_table.mistyped)[1];
  if unfit is not null then
    raise exception 'materialize: table % has no column "%" of type bigint', d.materialize, unfit
      using errcode = '42703', hint = format('alter table %s add column %I bigint not null default 0', d.materialize, unfit);
  elsif cardinality(found_table.key_columns) = 0 then
    raise exception 'materialize: table % has no unique column of type %', d.materialize, d.key_type
      using errcode = '42P10', hint = 'One column must be the key: of the key''s type, primary key or unique.';
  elsif cardinality(found_table.key_columns) > 1 then
    raise exception 'materialize: table % has % unique columns of type %', d.materialize, cardinality(found_table.key_columns), d.key_type
      using errcode = '42P10', hint = 'Exactly one column of that type may be unique: the key.';
  end if;
  for server in select tally.servers() loop
    perform tally.grant_table(owner, d.materialize, server);
  end loop;
  return d;
end
$$;

-- The grants that the role of a server needs to write the table; null if it needs none.
create or replace function tally.lacks_on_table(target text, server text) returns text
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
  rel pg_class;
  missing text;
begin
  select * into rel from pg_class where oid = tally.table_named(target);
  if not found then
    return null;
  end if;
  select string_agg(p, ', ') into missing
    from unnest(array['select', 'insert', 'update']) as p where not has_table_privilege(server, rel.oid, p);
  return nullif(concat_ws('; ',
    case when not has_schema_privilege(server, rel.relnamespace, 'usage')
         then format('grant usage on schema %s to %I', rel.relnamespace::regnamespace, server) end,
    case when missing is not null then format('grant %s on %s to %I', missing, target, server) end), '');
end
$$;

-- Grants the role what the owner of the source can grant, through the owner's open stand-in: never more than the owner has.
-- Other roles must grant the rest.
create or replace function tally.grant_table(owner oid, target text, server text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  rel pg_class;
  kind text;
begin
  select * into rel from pg_class where oid = tally.table_named(target);
  if not found then
    return;
  end if;
  if not has_schema_privilege(server, rel.relnamespace, 'usage')
     and has_schema_privilege(owner, rel.relnamespace, 'usage with grant option') then
    perform tally.as_owner(owner, format('grant usage on schema %s to %I', rel.relnamespace::regnamespace, server));
  end if;
  foreach kind in array array['select', 'insert', 'update'] loop
    if not has_table_privilege(server, rel.oid, kind) and has_table_privilege(owner, rel.oid, kind || ' with grant option') then
      perform tally.as_owner(owner, format('grant %s on %s to %I', kind, target, server));
    end if;
  end loop;
end
$$;

-- The roles that have the rights of tally.grant_server().
create or replace function tally.servers() returns setof name
language sql stable set search_path = pg_catalog, pg_temp as $$
  select r.rolname
    from pg_proc p cross join aclexplode(p.proacl) as a join pg_roles r on r.oid = a.grantee
   where p.oid = to_regprocedure('tally.truth(text)') and a.privilege_type = 'EXECUTE' and a.grantee <> p.proowner
     and has_table_privilege(r.oid, to_regclass('tally.tallies'), 'select')
$$;

-- 090_define.sql
-- create_tally, alter_tally, drop_tally and reload. These functions run with the rights of the caller.

-- Whether both values mean the same. Null means the same as {}. A value that is not an object equals no other;
-- tally.check_form() refuses it.
create or replace function tally.same(a json, b json) returns boolean
language sql immutable set search_path = pg_catalog, pg_temp as $$
  select case when json_typeof(coalesce(a, '{}')) = 'object' and json_typeof(coalesce(b, '{}')) = 'object' then
    (select coalesce(json_agg(json_build_array(key, value)), '[]') from json_each_text(coalesce(a, '{}')))::text
    = (select coalesce(json_agg(json_build_array(key, value)), '[]') from json_each_text(coalesce(b, '{}')))::text
    else false end
$$;

create or replace function tally.same_table(known text, wanted text, path text) returns boolean
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  a regclass := tally.table_named(known);
  b regclass;
begin
  if known is null or wanted is null or known = wanted then
    return known is not distinct from wanted;
  end if;
  perform set_config('search_path', path, true);
  b := pg_catalog.to_regclass(wanted);
  perform pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
  return coalesce(a = b, false);
exception
  when syntax_error or invalid_name then
    return false;
end
$$;

-- Whether the tally exists with this definition. If one of that name has another definition, an error. If only its source
-- is gone, and `wanted.source` has its name, sets wanted.id: the tally is taken over.
create or replace function tally.is_there(inout wanted tally.definition, out there boolean)
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  known tally.definition := tally.look_up(wanted.name);
begin
  there := false;
  if known.id is null then
    return;
  elsif known.key = wanted.key and tally.same(known.counters, wanted.counters)
        and known.filter is not distinct from wanted.filter and known.transport = wanted.transport
        and tally.same(known.actions, wanted.actions) then
    if known.source = wanted.source and tally.same_table(known.materialize, wanted.materialize, wanted.path) then
      there := true;
      return;
    elsif tally.name_of(known.source) is null and known.source_name = tally.name_of(wanted.source)
          and (known.materialize is null) = (wanted.materialize is null) then
      wanted.id := known.id;
      return;
    end if;
  end if;
  raise exception 'name: there is a tally "%" already, with another definition', wanted.name
    using errcode = '42710', hint = 'Change it with alter_tally, or drop it with drop_tally first.';
end
$$;

-- All steps from the arguments, in `wanted`, to the triggers. `fresh` has the names of the new arguments.
create or replace function tally.define(wanted tally.definition, fresh text[]) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  owner oid;
  left_behind regclass;
  again record;
begin
  perform tally.check_source(wanted.source);
  perform tally.check_owner(wanted.name, wanted.source);
  -- From here on no transaction can write under the old and the new definition.
  perform tally.lock_writers(wanted.name, wanted.source, 'share row exclusive'::text);
  for left_behind in select t from tally.left_behind(wanted.id, wanted.source) as t where wanted.id is not null loop
    perform tally.check_owner(wanted.name, left_behind);
    perform tally.lock_writers(wanted.name, left_behind, 'access exclusive'::text);  -- its triggers are dropped
  end loop;
  if wanted.id is null then
    again := tally.is_there(wanted);
    if again.there then
      return;  -- another session created it meanwhile
    end if;
  end if;
  select relowner into owner from pg_class where oid = wanted.source;
  perform tally.open_stand_in(owner);
  perform tally.register(wanted, fresh);
  perform tally.close_stand_in();
end
$$;

-- 200_act.sql replaces it.
create or replace function tally.check_actions(owner oid, d tally.definition) returns void
language sql as '';

create or replace function tally.define_new(name text, source text, key text, counters json, filter text, transport text,
                                            materialize text, actions json, path text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
declare
  wanted tally.definition;
  found_now record;
begin
  wanted.name := name;
  wanted.key := key;
  wanted.counters := counters;
  wanted.filter := nullif(filter, '');
  wanted.transport := coalesce(transport, 'notify');
  wanted.materialize := nullif(materialize, '');
  wanted.actions := case when tally.same(actions, null) then null else actions end;
  wanted.path := path;
  perform tally.check_form(wanted);
  wanted.source := tally.find_source(source, path);
  perform tally.check_owner(name, wanted.source);
  found_now := tally.is_there(wanted);
  if found_now.there then
    return;  -- a repeated migration does not wait for writers
  end if;
  wanted := found_now.wanted;
  perform tally.define(wanted, array['key', 'counters', 'filter', 'materialize', 'actions']);
  perform tally.announce(name);
end
$$;

create or replace function tally.define_again(name text, source text, key text, counters json, filter text, transport text,
                                              materialize text, actions json, path text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
declare
  wanted tally.definition := tally.look_up(name);
begin
  if wanted.id is null then
    raise exception 'there is no tally "%"', name using errcode = '42704', hint = 'Create it with create_tally.';
  end if;
  wanted.source := case when source is null then tally.current_source(wanted) else tally.find_source(source, path) end;
  wanted.key := coalesce(key, wanted.key);
  wanted.counters := coalesce(counters, wanted.counters);
  wanted.filter := nullif(coalesce(filter, wanted.filter), '');
  wanted.transport := coalesce(transport, wanted.transport);
  wanted.materialize := nullif(coalesce(materialize, wanted.materialize), '');
  wanted.actions := coalesce(actions, wanted.actions);
  if tally.same(wanted.actions, null) then
    wanted.actions := null;
  end if;
  -- Arguments of earlier calls keep their meaning: names are looked up in the tally's search_path first, then in the caller's.
  if coalesce(source, key, counters::text, filter, materialize, actions::text) is not null and right(wanted.path, length(path)) <> path then
    wanted.path := regexp_replace(wanted.path, 'pg_temp$', '') || path;
  end if;
  perform tally.check_form(wanted);
  perform tally.define(wanted, array_remove(array[case when key is not null then 'key' end,
                                                  case when counters is not null then 'counters' end,
                                                  case when filter is not null then 'filter' end,
                                                  case when materialize is not null then 'materialize' end,
                                                  case when actions is not null then 'actions' end], null));
  perform tally.announce(name);
end
$$;

-- The table that is the source now: the one with the recorded name, else the renamed one.
create or replace function tally.current_source(d tally.definition) returns regclass
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  today regclass := coalesce(tally.namesake(d), (select oid from pg_class where oid = d.source));
begin
  if today is null then
    raise exception 'tally "%": its source % is gone', d.name, d.source_name
      using errcode = '42P01', hint = format('select tally.drop_tally(%L), or alter_tally with another source.', d.name);
  end if;
  return today;
end
$$;

create or replace function tally.define_gone(name text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  known tally.definition := tally.look_up($1);
  owner oid;
  left_behind regclass;
begin
  if known.id is null then
    raise exception 'there is no tally "%"', $1 using errcode = '42704', hint = 'select name from tally.tallies lists all.';
  end if;
  select o into owner from tally.owners(known) as o where tally.may_act_as(o) limit 1;
  if owner is null then
    raise exception 'name: role % does not own %, the source of tally "%"', current_user, known.source_name, $1
      using errcode = '42501', hint = 'Only the owner of the source creates, alters, reloads or drops its tallies.';
  end if;
  -- DROP TRIGGER needs this lock. A weaker lock first could end in a deadlock.
  if exists (select from pg_class where oid = known.source)
     and tally.may_act_as((select relowner from pg_class where oid = known.source)) then
    perform tally.lock_writers($1, known.source, 'access exclusive'::text);
  end if;
  for left_behind in select t from tally.left_behind(known.id, known.source) as t loop
    if tally.may_act_as((select relowner from pg_class where oid = left_behind)) then
      perform tally.lock_writers($1, left_behind, 'access exclusive'::text);
    end if;
  end loop;
  perform tally.open_stand_in(owner);
  perform tally.unregister($1);
  perform tally.close_stand_in();
end
$$;

-- Creates missing triggers and all functions, and sends the event that makes every replica load again: no event has the
-- earlier changes.
create or replace function tally.define_reload(name text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  known tally.definition := tally.look_up($1);
  before tally.definition := known;
begin
  if known.id is null then
    raise exception 'there is no tally "%"', $1 using errcode = '42704', hint = 'select name from tally.tallies lists all.';
  end if;
  known.source := tally.current_source(known);
  if known.materialize is not null and tally.table_named(known.materialize) is null then
    raise notice 'tally "%": table % was missing and is created again', $1, known.materialize;
  end if;
  perform tally.define(known, '{}');
  known := tally.look_up($1);
  if known.v is distinct from before.v then
    perform tally.announce($1);
  end if;
  perform tally.ask_for_reload($1);
end
$$;

-- Whether the calling role may call tally.reload() for this tally. A server asks before it repairs. Not during a restore, which
-- creates the triggers itself, and would fail if they were there already: it ends with the refresh of tally.restored.
create or replace function tally.can_reload(name text) returns boolean
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  -- A role without that right may not call the functions below either.
  if not has_function_privilege('tally.define_reload(text)', 'execute')
     or not exists (select from pg_class where relnamespace = 'tally'::regnamespace and relname = 'restored' and relispopulated) then
    return false;
  end if;
  return not exists (select from tally.parts(tally.current_source(tally.look_up($1))) as p
                                 join pg_class c on c.oid = p where not tally.may_act_as(c.relowner));
end
$$;

-- 095_public.sql
-- The functions that users call. The search_path of the caller gives the names in the arguments their meaning, so these
-- functions run under it and pass it on. Every name in them is qualified.

create or replace function tally.search_path() returns text
language sql stable as $$
  select pg_catalog.concat_ws(', ',
           (select pg_catalog.string_agg(pg_catalog.quote_ident(s), ', ' order by i)
              from pg_catalog.unnest(pg_catalog.current_schemas(false)) with ordinality as u (s, i)
             where s operator(pg_catalog.!~) '^pg_temp'), 'pg_temp')
$$;

create or replace function tally.create_tally(
  name text, source text, key text, counters json default '{"count": "1"}', filter text default null,
  transport text default 'notify', materialize text default null, actions json default null) returns void
language sql as $$
  select tally.define_new($1, $2, $3, coalesce($4, '{"count": "1"}'::pg_catalog.json), $5, $6, $7, $8, tally.search_path())
$$;

create or replace function tally.alter_tally(
  name text, source text default null, key text default null, counters json default null, filter text default null,
  transport text default null, materialize text default null, actions json default null) returns void
language sql as $$
  select tally.define_again($1, $2, $3, $4, $5, $6, $7, $8, tally.search_path())
$$;

create or replace function tally.drop_tally(name text) returns void
language sql as $$
  select tally.define_gone($1)
$$;

create or replace function tally.reload(name text) returns void
language sql as $$
  select tally.define_reload($1)
$$;

-- 100_serve.sql
-- The functions that a server calls. A server has no right on a source. These functions run as the schema's owner and call
-- the generated functions of the tally, which run as the owner of the source.

-- The number of a tally in the names of its functions.
create or replace function tally.number_of(name text) returns integer
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
  number integer := (select d.id from tally.definition d where d.name = $1);
begin
  if number is null then
    raise exception 'there is no tally "%"', $1 using errcode = '42704', hint = 'select name from tally.tallies lists all.';
  end if;
  return number;
end
$$;

-- The counters by SQL, in the snapshot of the calling query: every function down to the sums is STABLE for that.
create or replace function tally.truth(name text) returns table (key text, counters bigint[])
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
  return query execute format('select k, c from tally.tally_%s_truth()', tally.number_of($1));
end
$$;

-- Locks the source so that no TRUNCATE and no table rewrite commits between the fence and the first row of a load.
create or replace function tally.lock_source(name text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  execute format('select tally.tally_%s_lock()', tally.number_of($1));
end
$$;

-- 110_findings.sql
-- Findings: what keeps a tally from being exact, from the catalogs alone. No code of an owner runs here.
--
-- Each is a row: kind, a stable word; subject, the object that it is about; message; remedy, a statement or what to do; and
-- severity. 'failed': the counters are not the truth, and a load would not help for long. 'warning': all else.

-- A source that is lost: dropped, or renamed while another table has its name. It ends the search for others.
create or replace function tally.source_findings(d tally.definition)
returns table (kind text, subject text, message text, remedy text, severity text)
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  today text := tally.name_of(d.source);
  namesake regclass := tally.namesake(d);
  unfit record;
begin
  if today is null and namesake is null then
    return query select 'source_lost', d.source_name, format('source %s was dropped', d.source_name),
                        format('select tally.drop_tally(%L)', d.name), 'failed';
  elsif today is null then
    return query select 'source_lost', d.source_name, format('source %s was dropped and another table has its name', d.source_name),
                        format('select tally.reload(%L)', d.name), 'failed';
  elsif namesake <> d.source then
    return query select 'source_lost', d.source_name,
                        format('source %s was renamed to %s and another table has its name', d.source_name, today),
                        format('select tally.reload(%L)', d.name), 'failed';
  else
    select * into unfit from tally.unfit_source(d.source);
    if unfit.problem is not null then
      return query select 'source_changed', today, format('source %s is %s', today, unfit.problem), unfit.remedy, 'failed';
    end if;
  end if;
end
$$;

-- Triggers that are missing, disabled, or on tables that are no part of the source.
create or replace function tally.trigger_findings(d tally.definition)
returns table (kind text, subject text, message text, remedy text, severity text)
language sql stable set search_path = pg_catalog, pg_temp as $$
  select case when t.tgname is null then 'missing_trigger' else 'disabled_trigger' end, part::text,
         case when t.tgname is null
              then format('%s %s has no %s trigger, its changes are not counted',
                          case when part = d.source then 'source' else 'partition' end, part, event)
              when t.tgenabled = 'D' then format('the %s trigger of %s is disabled', event, part)
              else format('the %s trigger of %s does not fire for every session_replication_role', event, part) end,
         format('select tally.reload(%L)', d.name), 'failed'
    from tally.parts(d.source) as part join pg_class c on c.oid = part and c.relkind <> 'f'
         cross join unnest(array['insert', 'update', 'delete', 'truncate']) as event
         left join pg_trigger t on t.tgrelid = part and t.tgname = format('tally_%s_%s', d.id, event)
                                   and t.tgfoid = to_regproc(format('tally.tally_%s_%s', d.id, event))
   where t.tgenabled is distinct from 'A'
  union all
  select 'left_behind', behind::text, format('%s is no part of the source any more, but its changes are counted', behind),
         format('select tally.reload(%L)', d.name), 'failed'
    from tally.left_behind(d.id, d.source) as behind
  union all
  select 'replicated', part::text, format('subscription %s applies rows to %s, and fires no statement trigger', quote_ident(s.subname), part),
         format('count in the publishing database, and select tally.drop_tally(%L) here', d.name), 'warning'
    from tally.parts(d.source) as part join pg_subscription_rel r on r.srrelid = part join pg_subscription s on s.oid = r.srsubid
$$;

-- Columns that the expressions read.
create or replace function tally.column_findings(d tally.definition)
returns table (kind text, subject text, message text, remedy text, severity text)
language sql stable set search_path = pg_catalog, pg_temp as $$
  with read as (
    select distinct substring(e.suffix from '^(key|filter)|^c') as suffix, c.recorded, c.name, c.number, c.type, p.proargtypes[r.i - 1] as type_then
      from tally.expressions(d) as e
           cross join lateral (select i, place from json_array_elements(e.code -> 'columns') with ordinality as u (column_read, i),
                                                    json_to_record(column_read) as x (place integer)) as r
           join tally.columns_today(d) as c on c.place = r.place
           left join pg_proc p on p.pronamespace = 'tally'::regnamespace and p.proname = format('tally_%s_%s', d.id, e.suffix))
  select 'column_dropped', recorded,
         format('its %s reads column %I, which %s does not have any more', coalesce(suffix, 'counters'), recorded, d.source),
         format('select tally.alter_tally(%L, %s => ...) with an expression that does not read it', d.name, coalesce(suffix, 'counters')), 'failed'
    from read where number is null
  union all
  select 'column_changed', name,
         format('its %s reads column %I, which is of type %s now, not %s', coalesce(suffix, 'counters'), name, format_type(type, -1), format_type(type_then, -1)),
         format('select tally.reload(%L)', d.name),
         case when suffix is distinct from 'key' and exists (select from pg_cast where castsource = type and casttarget = type_then
                                                                                     and castcontext = 'i') then 'warning' else 'failed' end
    from read where type <> type_then
  union all
  select 'column_renamed', name, format('column %I is named %I now: counting it takes writers longer', recorded, name),
         format('select tally.reload(%L)', d.name), 'warning'
    from (select distinct number, recorded, name from read where number is not null and name <> recorded order by 1) as renamed
$$;

-- The generated functions, and the rights that they need.
create or replace function tally.function_findings(d tally.definition)
returns table (kind text, subject text, message text, remedy text, severity text)
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  owner oid := (select relowner from pg_class where oid = d.source);
  owner_name name := pg_get_userbyid(owner);
  reload text := format('select tally.reload(%L)', d.name);
  other oid;
begin
  if d.generated = '' or d.v is null then
    return query select 'outdated', d.name, 'its functions are of an older version of pgtally', reload, 'warning';
  else
    return query
      select 'function_gone', format('tally.tally_%s_%s', d.id, e.suffix), format('the function tally.tally_%s_%s is gone', d.id, e.suffix),
             reload, 'failed'
        from (select x.suffix from tally.expressions(d) as x union all values ('truth'), ('lock'), ('act'), ('try')) as e
       where not exists (select from pg_proc where pronamespace = 'tally'::regnamespace and proname = format('tally_%s_%s', d.id, e.suffix));
  end if;
  select proowner into other from tally.functions_of(d.id) where proowner <> owner limit 1;
  if found then
    return query select 'owner_changed', d.source::text, format('source %s belongs to %s now, its functions do not', d.source, owner_name), reload,
                        case when has_table_privilege(other, d.source, 'select') then 'warning' else 'failed' end;
  elsif exists (select from tally.functions_of(d.id) where prosecdef = (proname ~ '_(key|filter|c[0-9]+)$')) then
    return query select 'altered', d.name, 'its functions were altered', reload, 'failed';
  end if;
  other := coalesce(other, owner);
  if not has_schema_privilege(other, 'tally', 'usage') or not has_sequence_privilege(other, 'tally.event_number', 'usage')
     or exists (select from unnest(tally.owner_functions()) as f where not has_function_privilege(other, 'tally.' || f, 'execute')) then
    return query select 'rights', pg_get_userbyid(other)::text, format('role %s lacks what its triggers need', pg_get_userbyid(other)), reload, 'failed';
  end if;
  if exists (select from tally.functions_of(d.id) where has_function_privilege('public', oid, 'execute')) then
    return query select 'rights', 'public', 'its functions are executable by every role that may use schema tally', reload, 'warning';
  end if;
  if not has_database_privilege(owner, current_database(), 'temporary') then
    return query select 'rights', owner_name::text, format('role %s may not create temporary objects, so reload would fail', owner_name),
                        format('grant temporary on database %I to %I', current_database(), owner_name), 'warning';
  end if;
  if (select c.relrowsecurity and c.relforcerowsecurity and not r.rolbypassrls and not r.rolsuper
        from pg_class c join pg_roles r on r.oid = c.relowner where c.oid = d.source) then
    return query select 'row_security', d.source::text, format('row level security hides rows of %s from its owner, the truth is an error', d.source),
                        format('alter table %s no force row level security, or alter role %I bypassrls', d.source, owner_name), 'failed';
  end if;
  if d.materialize is not null and tally.table_named(d.materialize) is null then
    return query select 'materialize_gone', d.materialize, format('table %s to keep the counters in is gone', d.materialize), reload, 'warning';
  end if;
end
$$;

create or replace function tally.findings(name text)
returns table (kind text, subject text, message text, remedy text, severity text)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp set jit = off as $$
#variable_conflict use_column
declare
  d tally.definition := tally.look_up($1);
begin
  if d.id is null then
    return;
  end if;
  return query select * from tally.source_findings(d);
  if exists (select from tally.source_findings(d) as f where f.kind = 'source_lost') then
    return;
  end if;
  return query select * from tally.trigger_findings(d)
     union all select * from tally.column_findings(d)
     union all select * from tally.function_findings(d);
end
$$;

-- Those of all tallies, and of the schema: then `name` is null.
create or replace function tally.findings()
returns table (name text, kind text, subject text, message text, remedy text, severity text)
language sql stable security definer set search_path = pg_catalog, pg_temp set jit = off as $$
  select d.name, f.* from tally.definition d, tally.findings(d.name) as f
  union all
  select null, 'orphan', t.tgrelid::regclass::text,
         format('%s has the trigger %I of a tally that does not exist', t.tgrelid::regclass, t.tgname),
         format('drop trigger %I on %s', t.tgname, t.tgrelid::regclass), 'warning'
    from pg_trigger t join pg_proc p on p.oid = t.tgfoid
   where p.pronamespace = 'tally'::regnamespace and p.proname ~ tally.generated_name()
     and substring(p.proname from '[0-9]+')::integer not in (select id from tally.definition)
$$;

-- The same as text, as the view tally.tallies shows it.
create or replace function tally.problems(name text) returns text[]
language sql stable security definer set search_path = pg_catalog, pg_temp set jit = off as $$
  select case when exists (select from tally.definition d where d.name = $1)
              then coalesce((select array_agg(format('%s; remedy: %s', f.message, f.remedy)) from tally.findings($1) as f), '{}') end
$$;

-- The tallies whose functions must be generated again and all belong to the current owner of the source.
create or replace function tally.outdated() returns table (number integer, name text, owner oid)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select d.id, d.name, c.relowner
    from tally.definition d join pg_class c on c.oid = d.source
   where d.generated = ''
     and not exists (select from tally.functions_of(d.id) where proowner <> c.relowner)
   order by d.id
$$;

create or replace view tally.tallies as
  select d.name, coalesce(tally.name_of(d.source), d.source_name) as source, d.key, d.counters, d.filter, d.transport, d.materialize, d.actions,
         tally.problems(d.name) as problems, d.key_type, d.v
    from tally.definition d;

revoke all on tally.tallies from public;

-- 115_look.sql
-- The look: one cheap query that tells a server whether anything changed that fires no trigger.

-- The labels of an enum type: a key's text is one of them, and ALTER TYPE ... RENAME VALUE changes it.
create or replace function tally.labels(type oid) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  with recursive base (oid) as (
    select type
    union
    select case t.typtype when 'd' then t.typbasetype else coalesce(r.rngsubtype, 0) end
      from base join pg_type t on t.oid = base.oid left join pg_range r on t.oid in (r.rngtypid, r.rngmultitypid))
  select string_agg(e.enumlabel, ',' order by e.enumsortorder) from base join pg_enum e on e.enumtypid = base.oid
$$;

-- What a function is, but for its name.
create or replace function tally.body_of(f pg_proc) returns text
language sql immutable set search_path = pg_catalog, pg_temp as $$
  select concat_ws(' ', f.oid, f.proowner, f.prosecdef, f.provolatile, f.proconfig, md5(f.prosrc), md5(f.prosqlbody::text))
$$;

-- The fingerprint of each tally: what its source and its functions are physically. It differs after a change that a
-- trigger does not see: a table rewritten, replaced, restored, attached or detached, a column dropped or changed in type, a
-- trigger or a function altered, another installation. It stays the same when a type, a function or the table is renamed, and after
-- TRUNCATE and VACUUM FULL: a rewrite shows by the version of the column's row in pg_attribute, not by the file of the table, for
-- a TRUNCATE is an event, and new files of the same rows are no change. Servers call it every few
-- seconds: each catalog is read once for all tallies, and compiling the query would take longer than running it. `tally` is the name
-- of one tally, for a load.
create or replace function tally.look(tally text default null) returns table (name text, v bigint, fingerprint text)
language sql stable security definer set search_path = pg_catalog, pg_temp set jit = off as $$
  with wanted as materialized (
    select d.* from tally.definition d where $1 is null or d.name = $1
  ), generated as materialized (
    select substring(p.proname from '^tally_([0-9]+)_')::integer as number, p.oid, p.proname, p.prorettype, tally.body_of(p) as body
      from pg_proc p where p.pronamespace = 'tally'::regnamespace and p.proname ~ '^tally_[0-9]+_[a-z0-9]+$'
       and substring(p.proname from '^tally_([0-9]+)_')::integer in (select id from wanted)
  ), functions as (
    select number, string_agg(body, ',' order by oid) as list from generated group by number
  ), called as (  -- by its expressions
    select number, string_agg(distinct tally.body_of(p), ',') as list
      from generated join pg_depend e on e.classid = 'pg_proc'::regclass and e.objid = generated.oid and e.refclassid = 'pg_proc'::regclass
                     join pg_proc p on p.oid = e.refobjid
     group by number
  ), triggers as (
    select number, string_agg(concat_ws(' ', t.tgrelid, t.tgfoid, t.tgenabled, t.tgtype, encode(t.tgargs, 'hex')), ',' order by t.tgrelid, t.oid) as list
      from generated join pg_trigger t on t.tgfoid = generated.oid group by number
  ), labels as (
    select number, tally.labels(prorettype) as list from generated where proname = format('tally_%s_key', number)
  ), parts as (
    select d.id as number, string_agg(concat_ws(' ', c.oid, c.relkind, c.relowner, c.relispartition, c.relforcerowsecurity,
                                      (select string_agg(concat_ws('>', h.inhrelid, h.inhparent), ' ' order by h.inhparent)
                                         from pg_inherits h where h.inhrelid = c.oid),
                                      (select string_agg(h.inhrelid::text, ' ' order by h.inhrelid) from pg_inherits h where h.inhparent = c.oid)),
                                      ',' order by c.oid) as list
      from wanted w join tally.definition d on d.id = w.id, tally.parts(d.source) as part join pg_class c on c.oid = part
     group by d.id
  )
  select d.name, d.v, md5(concat_ws(E'\n',
    (select i.id from tally.installation i), (select system_identifier from pg_control_system()),
    (select oid from pg_database where datname = current_database()), d.id, d.v, d.source::oid, d.key_type, parts.list,
    (select string_agg(concat_ws(' ', c.place, c.number, c.type, a.atttypmod, a.attgenerated, a.attcollation, a.xmin), ',' order by c.place)
       from tally.columns_today(d) as c left join pg_attribute a on a.attrelid = d.source and a.attnum = c.number),
    triggers.list, functions.list, called.list, labels.list,
    nullif(tally.namesake(d), d.source)::oid))  -- another table took the name
    from wanted w join tally.definition d on d.id = w.id
         left join parts on parts.number = d.id left join triggers on triggers.number = d.id left join functions on functions.number = d.id
         left join called on called.number = d.id left join labels on labels.number = d.id
$$;

-- 120_grant.sql
-- Rights. PUBLIC has no right on anything here (see 900_finish.sql). These functions grant what one purpose needs.

create or replace function tally.check_role(role text) returns void
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  if not exists (select from pg_roles where rolname = role) then
    raise exception 'there is no role "%"', role
      using errcode = '42704', hint = 'The name as in pg_roles, without quotes. Rights are never given to PUBLIC.';
  end if;
end
$$;

-- Grants rights on the tables of materialized tallies, each as the owner of the source, if the caller may act as that role.
create or replace function tally.grant_tables(role text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  d record;
  missing text;
begin
  for d in
    select t.name, t.materialize, c.relowner as owner
      from tally.definition t join pg_class c on c.oid = t.source where t.materialize is not null order by t.id
  loop
    if tally.lacks_on_table(d.materialize, role) is not null and tally.may_act_as(d.owner)
       and has_database_privilege(d.owner, current_database(), 'temporary') then
      perform tally.open_stand_in(d.owner);
      perform tally.grant_table(d.owner, d.materialize, role);
      perform tally.close_stand_in();
    end if;
    missing := tally.lacks_on_table(d.materialize, role);
    if missing is not null then
      raise notice 'tally "%": to write table % role % needs more rights: %', d.name, d.materialize, quote_ident(role), missing;
    end if;
  end loop;
end
$$;

-- The functions that a server and `pgtally check` call.
create or replace function tally.server_functions() returns text[]
language sql immutable set search_path = pg_catalog, pg_temp as $$
  select array['truth(text)', 'lock_source(text)', 'version()', 'problems(text)', 'name_of(regclass)',
               'act(text, text, text, json, text)', 'lost_source(text)', 'look(text)', 'findings(text)', 'findings()', 'tried()',
               'server_findings(text)', 'can_reload(text)', 'materialize_target(text, text, text[])', 'lacks_on_table(text, text)']
$$;

-- What a role lacks for serving, as rows like those of tally.findings().
create or replace function tally.server_findings(role text)
returns table (name text, kind text, subject text, message text, remedy text, severity text)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select null, 'rights', lacks.subject, format('role %I has no right to %s', role, lacks.what), format('select tally.grant_server(%L)', role), 'failed'
    from (select 'tally' as subject, 'use schema tally' as what where not has_schema_privilege(role, 'tally', 'usage')
          union all
          select 'tally.tallies', 'select from tally.tallies' where not has_table_privilege(role, 'tally.tallies', 'select')
          union all
          select 'tally.' || called, 'execute tally.' || called
            from unnest(tally.server_functions()) as called
           where not has_function_privilege(role, 'tally.' || called, 'execute')) as lacks
  union all
  select d.name, 'rights', d.materialize, format('role %I may not write table %s, which keeps the counters', role, d.materialize), lacking, 'failed'
    from tally.definition d, tally.lacks_on_table(d.materialize, role) as lacking
   where lacking is not null
$$;

-- Grants the rights that serving needs: the role can read the counters of every tally and run every action.
create or replace function tally.grant_server(role text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  called text;
begin
  perform tally.check_role(role);
  execute format('grant usage on schema tally to %I', role);
  execute format('grant select on tally.tallies to %I', role);
  foreach called in array tally.server_functions() loop
    if to_regprocedure('tally.' || called) is not null then  -- while an older version installs, some do not exist
      execute format('grant execute on function tally.%s to %I', called, role);
    end if;
  end loop;
  perform tally.grant_tables(role);
end
$$;

-- The functions that create_tally, alter_tally, drop_tally and reload call with the rights of the caller. All that they do
-- with other rights is in register, unregister and ask_for_reload, which require a stand-in or do nothing that the caller
-- could not do.
create or replace function tally.creator_functions() returns setof regprocedure
language sql stable set search_path = pg_catalog, pg_temp as $$
  select oid::regprocedure from pg_proc
   where pronamespace = 'tally'::regnamespace
     and proname in ('create_tally', 'alter_tally', 'drop_tally', 'reload', 'search_path', 'version', 'problems', 'findings', 'name_of',
                     'define_new', 'define_again', 'define_gone', 'define_reload', 'define', 'can_reload',
                     'check_form', 'check_name', 'members', 'same', 'same_table', 'is_there', 'look_up', 'current_source', 'table_named',
                     'find_source', 'check_source', 'unfit_source', 'check_owner', 'may_act_as', 'parts', 'left_behind', 'generated_name', 'functions_of',
                     'lock_writers', 'owners', 'open_stand_in', 'close_stand_in', 'stand_in_source', 'event_trigger_hint', 'namesake',
                     'register', 'unregister', 'announce', 'ask_for_reload')
$$;

-- The roles that may create tallies.
create or replace function tally.creators() returns setof name
language sql stable set search_path = pg_catalog, pg_temp as $$
  select r.rolname
    from pg_proc p cross join aclexplode(p.proacl) as a join pg_roles r on r.oid = a.grantee
   where p.oid = to_regprocedure('tally.create_tally(text, text, text, json, text, text, text, json)') and a.grantee <> p.proowner
$$;

-- Grants the rights that creating tallies needs: to call create_tally, alter_tally, drop_tally and reload, and to read the list.
create or replace function tally.grant_create(role text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  called regprocedure;
begin
  perform tally.check_role(role);
  execute format('grant usage on schema tally to %I', role);
  execute format('grant select on tally.tallies to %I', role);
  -- An older version granted every function.
  for called in
    select p.oid from pg_proc p, aclexplode(p.proacl) as a
     where p.pronamespace = 'tally'::regnamespace and p.proname !~ tally.generated_name()
       and a.grantee = (select oid from pg_roles where rolname = role)
       and p.oid not in (select tally.creator_functions())
       and not (role = any (select tally.servers())) and p.proname not in ('column_names', 'reads_columns', 'source_name')
  loop
    execute format('revoke execute on function %s from %I', called, role);
  end loop;
  for called in select tally.creator_functions() loop
    execute format('grant execute on function %s to %I', called, role);
  end loop;
  if not has_database_privilege(role, current_database(), 'temporary') then
    raise notice 'role % needs one more right: grant temporary on database % to %', role,
                 quote_ident(current_database()), quote_ident(role);
  end if;
end
$$;

-- 125_tried.sql
-- Findings by trying: PostgreSQL plans what would run, and runs nothing of it. So it tells what the catalogs do not: a right
-- that the owner of the source has lost, a function that does not work any more, an action whose tables have changed.

-- The function that tries for a tally, as the owner of the source: an action, or the truth if `action` is null. EXPLAIN
-- checks the rights too.
create or replace function tally.generate_try(d tally.definition) returns setof text
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  called text := format('tally.tally_%s_try(text)', d.id);
  actions text;
begin
  select string_agg(format(E'\n  elsif action = %L then\n    execute %L using null::pg_catalog.text, null::pg_catalog.json;',
                           m.member, 'explain (costs off) ' || m.content), '' order by m.place)
    into actions
    from tally.members('actions'::text, coalesce(d.actions, '{}')) as m;
  return next format('create or replace function tally.tally_%s_try(action text) returns void '
                     'language plpgsql security definer %s set row_security = on as %L', d.id, tally.set_clauses(d, false),
    format(E'\nbegin%s\n  if action is null then\n    perform pg_catalog.set_config(''row_security'', ''off'', true);\n'
           '    execute format(%L, variadic tally.column_names(%s) || tally.source_name(%s));%s\n  end if;\nend\n',
           tally.self_check(called), 'explain (costs off) ' || tally.truth_template(d), d.id, d.id, actions));
  return next format('revoke all on function %s from public', called);
  return next format('grant execute on function %s to %I', called,
                     (select pg_get_userbyid(nspowner) from pg_namespace where nspname = 'tally'));
end
$$;

-- A statement that fails, in words.
create or replace function tally.failure(d tally.definition, action text, state text, why text)
returns table (name text, kind text, subject text, message text, remedy text, severity text)
language sql stable set search_path = pg_catalog, pg_temp as $$
  select d.name, case when action is null then 'truth_fails' else 'action_fails' end, coalesce(action, d.name),
         format('%s: %s (SQLSTATE %s)', case when action is null then 'the counters cannot be read' else format('action "%s" would fail', action) end,
                why, state),
         case when state = '55P03' then 'a long transaction holds a lock: find it in pg_stat_activity, and try again after it ends'
              when state = '42501' then format('grant role %I, which owns the source, the right that the message names',
                                               (select pg_get_userbyid(relowner) from pg_class where oid = d.source))
              when action is null then format('select tally.alter_tally(%L, ...) with expressions that work', d.name)
              else format('select tally.alter_tally(%L, actions => ...) with statements that work', d.name) end,
         case when action is null and state <> '55P03' then 'failed' else 'warning' end
$$;

-- What fails of all tallies. The truth of one that has a finding of severity 'failed' is not tried: that is the reason.
create or replace function tally.tried()
returns table (name text, kind text, subject text, message text, remedy text, severity text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  d tally.definition;
  action text;
begin
  for d in
    select * from tally.definition t where to_regprocedure(format('tally.tally_%s_try(text)', t.id)) is not null order by t.name
  loop
    for action in
      select null where not exists (select from tally.findings(d.name) as f where f.severity = 'failed')
      union all
      select json_object_keys(d.actions)
    loop
      begin
        execute format('select tally.tally_%s_try($1)', d.id) using action;
      exception
        when others then
          return query select * from tally.failure(d, action, sqlstate, sqlerrm);
      end;
    end loop;
  end loop;
end
$$;

-- 130_settle.sql
-- After a restore. A dump without privileges (pg_dump -x) loses the grants that triggers need, and a restored table has other
-- numbers for its columns. A restore ends with the refresh of materialized views: so one does the rest, as the schema's
-- owner, and nobody has to remember a command.

-- Gives the owners of sources what their triggers need, takes from PUBLIC what a restore gave it, and records where the
-- columns are. It changes nothing if all is as it should be, and never fails: a restore in one transaction would fail too.
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
  return clock_timestamp();
end
$$;

-- 200_act.sql
-- Version 2: actions, the statements behind POST.
--
-- An action is SQL of the source's owner and runs with the owner's rights, so that a server needs no right on the tables of
-- the application. It stands in a generated function, which belongs to the owner, and not in a table, which another role
-- could change.

-- Refuses an action that is not one statement of an allowed kind. Runs nothing of it.
create or replace function tally.check_action(owner oid, name text, statement text, path text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  state text;
  message text;
  remedy text;
  first_word text := lower(substring(statement from E'^(?:[[:space:]]|[(]|--[^\n]*(?:\n|$)|/[*].*?[*]/)*([A-Za-z]+)'));
begin
  if coalesce(first_word, '') not in ('select', 'insert', 'update', 'delete', 'merge', 'with') then
    raise exception 'only SELECT, INSERT, UPDATE, DELETE, MERGE and WITH can be an action' using errcode = '42601';
  end if;
  -- OPEN fails for a statement that returns no rows too. Only the message for that case names the kind of the statement, in
  -- every language of messages.
  perform set_config('search_path', 'pg_catalog, ' || path, true);
  perform tally.open_as_owner(owner, statement);
  perform set_config('search_path', 'pg_catalog, pg_temp', true);
exception
  when others then
    get stacked diagnostics state = returned_sqlstate, message = message_text, remedy = pg_exception_hint;
    if state = '42P11' then
      if message ~ '(INSERT|UPDATE|DELETE|MERGE)' then
        return;
      end if;
      message := 'it must be exactly one SELECT, INSERT, UPDATE, DELETE, MERGE or WITH';
      state := '42601';
    elsif state = '57014' then
      raise;
    end if;
    raise exception 'actions: "%": %', name, message
      using errcode = state, detail = format('The statement: %s', statement),
            hint = case
              when coalesce(remedy, '') <> '' and state <> '42883' and state <> '42804' then remedy
              when state = '42601' then 'Write exactly one complete SELECT, INSERT, UPDATE, DELETE, MERGE or WITH; '
                                         '$1 is the key, $2 the body.'
              when state in ('42P01', '42703', '42704', '3F000')
                then format('Names were looked for in %s: write the schema before a name that is elsewhere.', path)
              else '$1 is the key as text, $2 the request''s body as json or null: cast them, as in $1::bigint.' end;
end
$$;

create or replace function tally.check_actions(owner oid, d tally.definition) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  m record;
begin
  if d.actions is not null then
    for m in select * from tally.members('actions'::text, d.actions) loop
      perform tally.check_action(owner, m.member, m.content, d.path);
    end loop;
  end if;
end
$$;

-- The function that runs the actions of a tally. It checks deferred constraints before it returns, while the rights of the
-- owner apply.
create or replace function tally.generate_act(d tally.definition) returns setof text
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  branches text;
begin
  select string_agg(format(E'\n  %s %L then\n    execute %L using key, body;',
                           case m.place when 1 then 'if action =' else 'elsif action =' end, m.member, m.content), '' order by m.place)
    into branches
    from tally.members('actions'::text, coalesce(d.actions, '{}')) as m;
  return next format('create or replace function tally.tally_%s_act(action text, key text, body json) returns void '
                     'language plpgsql security definer %s as %L', d.id, tally.set_clauses(d, false),
    format(E'\nbegin%s%s\nend\n', tally.self_check(format('tally.tally_%s_act(text, text, json)', d.id)),
           coalesce(branches || E'\n  end if;\n  set constraints all immediate;', '')));
  return next format('revoke all on function tally.tally_%s_act(text, text, json) from public', d.id);
  return next format('grant execute on function tally.tally_%s_act(text, text, json) to %I', d.id,
                     (select pg_get_userbyid(nspowner) from pg_namespace where nspname = 'tally'));
end
$$;

create or replace function tally.act(name text, action text, key text, body json, barrier text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  d tally.definition;
begin
  select * into d from tally.definition t where t.name = $1;
  if not found then
    raise exception 'there is no tally "%"', $1 using errcode = 'TL404', hint = 'select name from tally.tallies lists all.';
  elsif d.actions -> action is null then
    raise exception 'tally "%" has no action "%"', $1, action
      using errcode = 'TL404', hint = 'select actions from tally.tallies lists all.';
  end if;
  execute format('select tally.tally_%s_act($1, $2, $3)', d.id) using action, key, body;
  if barrier is not null then
    execute 'select ' || tally.sending(d.transport, '$1') using format('{"barrier":%s}', to_json(barrier));
  end if;
end
$$;

-- 300_lost_source.sql
-- Version 3: a function that servers call.

-- Why a tally has lost its source: the table was dropped, or renamed while another table has its name. Null if it has not.
create or replace function tally.lost_source(name text) returns text
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select format('%s; remedy: %s', f.message, f.remedy) from tally.findings($1) as f where f.kind = 'source_lost'
$$;

-- 900_finish.sql
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

commit;
