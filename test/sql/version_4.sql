begin;
set local lock_timeout = '2s';
set local client_min_messages = 'warning';

-- 001_guard.sql
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
  newest constant integer := 4;
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
language sql immutable as 'select 4';

-- 010_tables.sql
-- The definitions of the tallies, and the numbers of events. Only the schema's owner has rights on these: other roles use
-- functions and the view tally.tallies.

create table if not exists tally.definition (
  id          integer generated always as identity primary key,  -- the number in the names of the generated functions
  name        text not null unique,
  source      regclass not null,   -- the table with the triggers; follows a rename, and a dump writes it as a name
  source_name text not null,       -- its name when the functions were generated: the one that they read
  key         text not null,       -- the arguments as they were written:
  counters    json not null,
  filter      text,
  transport   text not null,
  materialize text,
  actions     json,
  path        text not null,       -- the search_path that gave the names in them their meaning
  key_type    text not null,
  code        json not null,       -- the expressions as PostgreSQL understood them, see tally.understand()
  generated   text not null default ''  -- the hash of the generated functions; '' if they are outdated, see tally.is_outdated()
);

-- Before version 4 a number, which had to be raised by hand, stood for the text of the functions.
do $$
begin
  if exists (select from pg_attribute
              where attrelid = 'tally.definition'::regclass and attname = 'generator' and not attisdropped) then
    alter table tally.definition add column generated text not null default '';
    alter table tally.definition drop column generator;
    drop function tally.generator();
  end if;
end
$$;

-- Numbers for "n": PostgreSQL folds equal notifications of a transaction into one. A session takes a hundred numbers at a
-- time. (A transaction-local setting would be cheaper, but "reset all" clears it.)
create sequence if not exists tally.event_number cache 100;

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
    perform set_config('search_path', path, true);
    found_table := pg_catalog.to_regclass(source);
    perform pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
  exception
    when syntax_error or invalid_name or feature_not_supported then
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

-- The source and, if it is partitioned, all partitions below it. Each has triggers of its own, because PostgreSQL does not
-- clone statement triggers to partitions.
create or replace function tally.parts(source regclass) returns setof regclass
language sql stable set search_path = pg_catalog, pg_temp as $$
  select relid from pg_partition_tree(source) where relid is not null
  union
  select source where exists (select from pg_class where oid = source)
$$;

create or replace function tally.check_source(source regclass) returns void
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  rel pg_class;
  problem text;
  remedy text := 'Only an ordinary or a partitioned table can be counted.';
  state text := '42809';
  other regclass;
begin
  select * into rel from pg_class where oid = source;
  if not found then
    raise exception 'source: the table with oid % is gone', source::oid
      using errcode = '42P01', hint = 'It was dropped meanwhile: name an existing table.';
  end if;
  if rel.relkind in ('v', 'm') then
    problem := case rel.relkind when 'v' then 'a view' else 'a materialized view' end;
    remedy := 'Count the table that it reads, and write the condition of the view as the filter of the tally.';
  elsif rel.relkind = 'f' then
    problem := 'a foreign table, whose rows another database changes';
    remedy := 'Install pgtally in that database.';
  elsif rel.relkind not in ('r', 'p') then
    problem := 'not a table';
  elsif rel.relnamespace = 'pg_catalog'::regnamespace or rel.oid < 16384
        or rel.relnamespace = 'information_schema'::regnamespace or rel.relnamespace = 'tally'::regnamespace then
    problem := 'a system table';
    state := '42501';
  elsif rel.relpersistence = 't' then
    problem := 'a temporary table, which other sessions cannot see';
  elsif rel.relispartition then
    select inhparent into other from pg_inherits where inhrelid = source;
    problem := format('a partition of %s', other);
    remedy := format('Count %s; a filter can leave out the rows of other partitions.', other);
  elsif exists (select from pg_inherits where inhrelid = source) then
    problem := 'a child in table inheritance';
    remedy := 'Statements on its parents change it too. Use partitioning instead of inheritance.';
  elsif rel.relkind = 'r' and exists (select from pg_inherits where inhparent = source) then
    problem := 'a parent in table inheritance';
    remedy := 'Some of its rows are in other tables. Use partitioning instead of inheritance.';
  end if;
  if problem is not null then
    raise exception 'source: % is %', source, problem using errcode = state, hint = remedy;
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
    if not pg_has_role(current_user, part_owner, 'member') then
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
  if switched then
    perform set_config('role', pg_get_userbyid(owner), true);
  end if;
  execute stand_in;
  execute 'grant execute on function pg_temp.pgtally_owner(text, boolean) to public';  -- the owner can have changed the default privileges
  if switched then
    perform set_config('role', role_before, true);
  end if;
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

-- Creates the probe, an empty table in pg_temp with the columns of the source. It has the name of the source if that name
-- is free there, so that an expression may say "likes.post_id".
create or replace function tally.open_probe(owner oid, source regclass) returns text
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  probe text := (select relname from pg_class where oid = source);
begin
  if exists (select from pg_class where relnamespace = pg_my_temp_schema() and relname = probe) then
    probe := 'pgtally_probe';
  end if;
  probe := format('pg_temp.%I', probe);
  perform tally.as_owner(owner, format('create table %s (like %s)', probe, source));
  return probe;
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

-- Understands one expression. Returns {"sql", "type" (oid), "plain", "columns" (name and type of those that it reads)}. The
-- argument `what` names the expression in messages, such as counters: "rts".
create or replace function tally.understand(owner oid, probe text, what text, expression text, path text) returns json
language plpgsql
set search_path = pg_catalog, pg_temp set DateStyle = 'ISO, YMD' set IntervalStyle = postgres set TimeZone = 'UTC'
set extra_float_digits = 1 set bytea_output = hex set standard_conforming_strings = on set array_nulls = on
set transform_null_equals = off set quote_all_identifiers = off set xmloption = content as $$
declare
  type_found oid;
  answer json;
  columns json;
  tree text;
  state text;
  message text;
  remedy text;
begin
  perform set_config('search_path', 'pg_catalog, ' || path, true);
  -- Only a complete expression parses between both kinds of brackets: text that closes one kind does not close the other.
  -- WHERE accepts no aggregate, window or set-returning function. PostgreSQL parses the whole text before it runs a part.
  perform tally.as_owner(owner, format(E'select from %s where false and array[%s\n] is null and (%s\n) is null',
                                       probe, expression, expression));
  type_found := tally.ask_owner(owner, format(E'select pg_typeof(x)::oid from (select (%s\n) from %s limit 0) as s(x) '
                                              'right join (values (1)) as one on true', expression, probe));
  if (select typtype in ('c', 'p') or typcategory = 'A' from pg_type where oid = type_found) then
    raise exception 'type % is not a scalar type', format_type(type_found, null)
      using errcode = '42804', hint = 'Use an expression whose value is a single number, text, date or the like.';
  end if;
  perform tally.as_owner(owner, format(E'alter table %s add column pgtally_expression %s generated always as (%s\n) stored',
                                       probe, format_type(type_found, null), expression));
  perform set_config('search_path', 'pg_catalog, pg_temp', true);
  select pg_get_expr(adbin, adrelid), adbin::text into strict message, tree
    from pg_attrdef join pg_attribute on attrelid = adrelid and attnum = adnum
   where adrelid = probe::regclass and attname = 'pgtally_expression';
  if tree ~ ':varattno -' then
    raise exception 'system columns cannot be counted'
      using errcode = '0A000', hint = 'Use the columns of the table itself.';
  end if;
  select coalesce(json_agg(json_build_object('name', attname, 'type', format_type(atttypid, null)) order by attnum), '[]') into columns
    from pg_attribute
   where attrelid = probe::regclass and attnum in (select m[1]::smallint from regexp_matches(tree, ':varattno ([0-9]+)', 'g') as m);
  answer := json_build_object('sql', message, 'type', type_found, 'plain', tally.is_plain(tree) and position(chr(92) in message) = 0,
                              'columns', columns);
  perform tally.as_owner(owner, format('alter table %s drop column pgtally_expression', probe));
  return answer;
exception
  when others then
    get stacked diagnostics state = returned_sqlstate, message = message_text, remedy = pg_exception_hint;
    if state = '57014' then
      raise;
    end if;
    if state = '42P17' then
      message := 'the expression is not IMMUTABLE: ' || message;
      remedy := case
        when expression ~* '^ *("[^"]+"|[[:alnum:]_]+) *:: *date *$'
          then format('Write (%s at time zone ''UTC'')::date: which day it is must not depend on the writer''s time zone.',
                      substring(expression from '^ *("[^"]+"|[[:alnum:]_]+)'))
        else 'It may depend on the row alone, not on settings, the clock or other tables. Instead of datetime::date write '
             '(datetime at time zone ''UTC'')::date.' end;
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

-- Understands a whole definition: sets key_type and code.
create or replace function tally.understand_all(owner oid, d tally.definition) returns tally.definition
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  probe text := tally.open_probe(owner, d.source);
  key_code json;
  filter_code json;
  counter_codes json[] := '{}';
  one json;
  m record;
  plain boolean;
  base oid;
begin
  key_code := tally.understand(owner, probe, 'key'::text, d.key, d.path);
  base := key_code ->> 'type';
  while (select typtype = 'd' from pg_type where oid = base) loop
    base := (select typbasetype from pg_type where oid = base);
  end loop;
  d.key_type := format_type(base, null);
  plain := (key_code ->> 'plain')::boolean;

  for m in select * from tally.members('counters'::text, d.counters) loop
    one := tally.understand(owner, probe, format('counters: "%s"', m.member), m.content, d.path);
    if (one ->> 'type')::oid not in ('int2'::regtype, 'int4'::regtype, 'int8'::regtype) then
      raise exception 'counters: "%" is of type %, not smallint, integer or bigint', m.member,
                      format_type((one ->> 'type')::oid, null)
        using errcode = '42804', detail = format('The expression: %s', m.content),
              hint = 'Counters are whole numbers: cast to bigint, or count in smaller units.';
    end if;
    counter_codes := counter_codes || one;
    plain := plain and (one ->> 'plain')::boolean;
  end loop;

  if d.filter is not null then
    filter_code := tally.understand(owner, probe, 'filter'::text, d.filter, d.path);
    if (filter_code ->> 'type')::oid <> 'bool'::regtype then
      raise exception 'filter: a condition is needed, not a value of type %', format_type((filter_code ->> 'type')::oid, null)
        using errcode = '42804', detail = format('The expression: %s', d.filter), hint = 'For example stars is not null.';
    end if;
    plain := plain and (filter_code ->> 'plain')::boolean;
  end if;

  d.code := json_build_object(
    'key', key_code ->> 'sql',
    -- Equal values of these types have equal texts: grouping by the value is right, and faster. Their texts need no escapes.
    'native', base in ('int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'uuid'::regtype, 'oid'::regtype, 'bool'::regtype)
              and (key_code ->> 'type')::oid = base,
    'counters', to_json(counter_codes),
    'filter', filter_code ->> 'sql',
    'plain', plain,
    -- The columns that the expressions need, see tally.problems().
    'reads', (select json_agg(json_build_object('argument', argument, 'name', name, 'type', type))
                from (select 'key' as argument, r.* from json_to_recordset(key_code -> 'columns') as r (name text, type text)
                      union
                      select 'counters', r.* from unnest(counter_codes) as c, json_to_recordset(c -> 'columns') as r (name text, type text)
                      union
                      select 'filter', r.* from json_to_recordset(filter_code -> 'columns') as r (name text, type text)
                      order by 1, 2) as s));

  -- PostgreSQL must understand the text that it printed.
  perform tally.as_owner(owner, format('select from (select (%s)::text, %s from %s where %s) as s',
    key_code ->> 'sql',
    (select string_agg(format('(%s)::bigint', c ->> 'sql'), ', ') from unnest(counter_codes) as c),
    probe, coalesce(filter_code ->> 'sql', 'true')));
  perform tally.as_owner(owner, format('drop table %s', probe));
  return d;
end
$$;

-- 060_generate.sql
-- The generator: from a definition to the text of its functions.
--
-- The whole cost for a writer is here. One query sums the rows of the statement per key and prints each key's part of an
-- event. The rest are expressions that PL/pgSQL evaluates without a query. If the parts do not fit into one event, a loop
-- distributes them over several.
--
-- Sums of bigint are numeric, so that no sum overflows. If a bigint cannot hold a sum, or if a statement changes more than
-- a million keys, the trigger sends a "reload" event.

-- An SQL expression that sends the text `payload` as an event. No other function knows the transports.
create or replace function tally.sending(transport text, payload text) returns text
language sql immutable set search_path = pg_catalog, pg_temp as $$
  select format('pg_catalog.pg_notify(''tally'', %s)', payload)
$$;

-- An SQL expression for an event of this tally, without the last members and the closing brace.
create or replace function tally.event_head(name text) returns text
language sql immutable set search_path = pg_catalog, pg_temp as $$
  select format('''{"t":"%s","x":"'' || pg_current_xact_id()::text || ''","n":'' || nextval(''tally.event_number'')::text || '
                ''',"at":'' || ((date_part(''epoch'', clock_timestamp()) * 1e6)::bigint)::text', name)
$$;

-- The SET clauses of a generated function.
create or replace function tally.set_clauses(d tally.definition, plain boolean) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select case when plain then 'set search_path = pg_catalog, pg_temp'
              else (select string_agg(format('set %s = %s', setting,
                                             case when setting = 'DateStyle' then value else quote_literal(value) end), ' ')
                      from tally.settings())
                   || ' set search_path = pg_catalog, ' || d.path end
$$;

-- The query of the sums per key, "select k, c1, c2, ... from ... group by k", over the rows that `kind` needs. The comment in
-- it is in the CONTEXT of an error, and so names the tally whose expression failed.
create or replace function tally.sums(d tally.definition, kind text) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  key text := case when (d.code ->> 'native')::boolean then format('(%s)', d.code ->> 'key')
                   else format('(%s)::text collate "C"', d.code ->> 'key') end;
  condition text := case when d.code ->> 'filter' is null then '' else format(' where %s', d.code ->> 'filter') end;
  rows_of text := case kind when 'insert' then 'new_rows' when 'delete' then 'old_rows' else d.source_name end;
  weights text;
  counters text;
begin
  if kind = 'update' then
    select string_agg(format('(%s) as w%s', c ->> 'sql', i), ', '),
           string_agg(format('coalesce(sum(w%s) filter (where is_new), 0) - coalesce(sum(w%s) filter (where not is_new), 0) as c%s',
                             i, i, i), ', ')
      into weights, counters
      from json_array_elements(d.code -> 'counters') with ordinality as e (c, i);
    return format('select /* tally "%s" */ k, %s from (select true as is_new, %s as k, %s from new_rows%s'
                  ' union all select false, %s, %s from old_rows%s) as changed group by k',
                  d.name, counters, key, weights, condition, key, weights, condition);
  end if;
  select string_agg(format('%scoalesce(sum(%s), 0) as c%s', case kind when 'delete' then '-' end, c ->> 'sql', i), ', ')
    into counters
    from json_array_elements(d.code -> 'counters') with ordinality as e (c, i);
  return format('select /* tally "%s" */ %s as k, %s from %s%s group by 1', d.name, key, counters, rows_of, condition);
end
$$;

-- The condition for a row of sums to count: the key is valid, and not all sums are 0.
create or replace function tally.condition(d tally.definition) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select 'k is not null'
         || case when (d.code ->> 'native')::boolean then '' else ' and octet_length(k) <= 512' end
         || ' and (' || (select string_agg(format('c%s <> 0', i), ' or ') from generate_series(1, json_array_length(d.code -> 'counters')) as i) || ')'
$$;

create or replace function tally.trigger_body(d tally.definition, kind text) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  head text := tally.event_head(d.name);
  reload text := format('if %s is null then null; end if; return null;', tally.sending(d.transport, head || ' || '',"reload":true}'''));
  send_deltas text := format('if %s is null then null; end if;',
                             tally.sending(d.transport, head || ' || '',"d":['' || deltas || '']}'''));
  part text;    -- SQL expression: the part of a key in an event
  wide text;    -- SQL condition: a bigint can hold each sum
  budget integer := 7999 - 95 - octet_length(d.name);  -- bytes for parts beside the longest head
begin
  part := case when (d.code ->> 'native')::boolean then '''["'' || k::text || ''"''' else '''['' || to_json(k)::text' end
          || (select string_agg(format(' || '','' || c%s::text', i), '') || ' || '']'''
                from generate_series(1, json_array_length(d.code -> 'counters')) as i);
  select string_agg(format('c%s between -9223372036854775808 and 9223372036854775807', i), ' and ') into wide
    from json_array_elements(d.code -> 'counters') with ordinality as e (c, i)
   where (c ->> 'type')::oid = 'int8'::regtype;
  if wide is not null then
    part := format('case when %s then %s end', wide, part);
  end if;
  return format($body$
#variable_conflict use_column
declare
  parts text[];
  part text;
  deltas text;
begin
  select array_agg(part) into parts
    from (select %1$s as part from (%2$s) as sums where %3$s limit 1000001) as counted;
  if parts is null then
    return null;
  end if;
  if cardinality(parts) > 1000000 %4$s then
    %5$s
  end if;
  deltas := array_to_string(parts, ',');
  if octet_length(deltas) <= %6$s then
    %7$s
    return null;
  end if;
  deltas := null;
  foreach part in array parts loop
    if octet_length(deltas) + octet_length(part) >= %6$s then
      %7$s
      deltas := part;
    else
      deltas := coalesce(deltas || ',', '') || part;
    end if;
  end loop;
  %7$s
  return null;
end
$body$, part, tally.sums(d, kind), tally.condition(d),
        case when wide is not null then 'or array_position(parts, null) is not null' else '' end,
        reload, budget, send_deltas);
end
$$;

-- TRUNCATE of the source sets every counter to 0. TRUNCATE of a partition removes rows that nothing has counted by key, so
-- replicas must load again.
create or replace function tally.truncate_body(d tally.definition) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select format($body$
begin
  if %s is null then null; end if;
  return null;
end
$body$, tally.sending(d.transport, tally.event_head(d.name)
        || ' || case tg_argv[0] when ''source'' then '',"truncate":true}'' else '',"reload":true}'' end'))
$$;

-- The beginning of every function that the schema's owner calls. If the owner of the function has altered it to run with
-- the rights of the caller, it fails here, before any other code of the owner. All names are qualified, because the owner
-- can also have altered the search_path of the function.
create or replace function tally.self_check(owner name) returns text
language sql immutable set search_path = pg_catalog, pg_temp as $$
  select format($body$
  if (current_user)::pg_catalog.text operator(pg_catalog.<>) (%L)::pg_catalog.text then
    raise exception 'a function that pgtally generated was altered' using errcode = '42501', hint = 'Call tally.reload.';
  end if;$body$, owner)
$$;

-- 200_act.sql replaces it.
create or replace function tally.generate_act(d tally.definition, owner name) returns setof text
language sql as 'select null::text where false';

-- The statements that create the functions of a tally. The owner runs them.
create or replace function tally.generate_functions(d tally.definition, owner name) returns setof text
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  kind text;
  schema_owner name := (select pg_get_userbyid(nspowner) from pg_namespace where nspname = 'tally');
  counters integer := json_array_length(d.code -> 'counters');
begin
  foreach kind in array array['insert', 'update', 'delete', 'truncate'] loop
    return next format('create or replace function tally.tally_%s_%s() returns trigger language plpgsql security definer %s as %L',
                       d.id, kind, tally.set_clauses(d, (d.code ->> 'plain')::boolean),
                       case kind when 'truncate' then tally.truncate_body(d) else tally.trigger_body(d, kind) end);
    return next format('revoke all on function tally.tally_%s_%s() from public', d.id, kind);
  end loop;

  return next format('create or replace function tally.tally_%s_truth() returns table (k text, c bigint[]) '
                     'language plpgsql stable security definer %s set row_security = off as %L',
    d.id, tally.set_clauses(d, (d.code ->> 'plain')::boolean),
    format(E'\n#variable_conflict use_column\nbegin%s\n  return query select k::text, array[%s]::bigint[] from (%s) as sums where %s;\nend\n',
           tally.self_check(owner),
           (select string_agg('c' || i, ', ') from generate_series(1, counters) as i),
           tally.sums(d, 'truth'::text), tally.condition(d)));
  return next format('create or replace function tally.tally_%s_lock() returns void '
                     'language plpgsql security definer set search_path = pg_catalog, pg_temp as %L',
    d.id, format(E'\nbegin%s\n  lock table %s in access share mode;\nend\n', tally.self_check(owner), d.source_name));
  foreach kind in array array['truth', 'lock'] loop
    return next format('revoke all on function tally.tally_%s_%s() from public', d.id, kind);
    return next format('grant execute on function tally.tally_%s_%s() to %I', d.id, kind, schema_owner);
  end loop;

  return query select * from tally.generate_act(d, owner);
end
$$;

-- The hash of the functions that this installation generates for a definition. tally.build() records it.
create or replace function tally.hash_of_functions(d tally.definition, owner name) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select md5(string_agg(statement, E'\n' order by place))
    from tally.generate_functions(d, owner) with ordinality as g (statement, place)
   where statement like 'create %'  -- grants name the schema's owner, who is no part of a function
$$;

-- Whether the functions of a tally differ from those that this installation generates. That can change with an installation
-- only: 900_finish.sql asks, and records the answer.
create or replace function tally.is_outdated(d tally.definition) returns boolean
language sql stable set search_path = pg_catalog, pg_temp as $$
  select d.generated <> tally.hash_of_functions(d, pg_get_userbyid(coalesce(
           (select proowner from pg_proc
             where pronamespace = 'tally'::regnamespace and proname = format('tally_%s_truth', d.id)),
           (select relowner from pg_class where oid = d.source))))
$$;

-- Tables that have triggers of the tally but are not part of its source: detached partitions, a former source.
create or replace function tally.left_behind(number integer, source regclass) returns setof regclass
language sql stable set search_path = pg_catalog, pg_temp as $$
  select distinct t.tgrelid::regclass
    from pg_trigger t join pg_proc p on p.oid = t.tgfoid
   where p.pronamespace = 'tally'::regnamespace and p.proname ~ format('^tally_%s_[a-z]+$', number)
     and t.tgrelid not in (select part from tally.parts(source) as part)
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
-- that a direct call gives no role more than create_tally, alter_tally, drop_tally and reload do.

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

create or replace function tally.announce(name text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  -- By NOTIFY, for every transport: a server that does not know the tally yet listens there.
  execute 'select ' || tally.sending('notify'::text, '$1')
    using format('{"t":"%s","x":"%s","n":%s,"definition":true}', name, pg_current_xact_id(), nextval('tally.event_number'));
end
$$;

-- Creates the functions of a definition and, if `triggers_too`, its triggers. The source must be locked for triggers.
create or replace function tally.build(number integer, triggers_too boolean) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  d tally.definition;
  owner oid;
  owner_name name;
  can_create boolean;
  statement text;
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
  update tally.definition t set generated = tally.hash_of_functions(d, owner_name) where t.id = number;

  -- The rights that the triggers need at run time.
  if not has_schema_privilege(owner, 'tally', 'usage') then
    execute format('grant usage on schema tally to %I', owner_name);
  end if;
  if not has_sequence_privilege(owner, 'tally.event_number', 'usage') then
    execute format('grant usage on sequence tally.event_number to %I', owner_name);
  end if;

  -- The owner has CREATE on the schema only while the generated statements run. They run no code of the owner.
  can_create := has_schema_privilege(owner, 'tally', 'create');
  if not can_create then
    execute format('grant create on schema tally to %I', owner_name);
  end if;
  for statement in
    select tally.generate_functions(d, owner_name)
    union all
    select tally.generate_triggers(d) where triggers_too
  loop
    perform tally.as_owner(owner, statement);
  end loop;
  if not can_create then
    execute format('revoke create on schema tally from %I', owner_name);
  end if;
end
$$;

-- Records a definition, new (no id) or changed, and creates its functions and triggers.
create or replace function tally.register(d tally.definition) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set client_min_messages = warning as $$
declare
  known tally.definition;
  owner oid := (select relowner from pg_class where oid = d.source);
  stale oid;
begin
  if owner is null or not tally.stands_in(owner) then
    raise exception 'this session has not proven that it may act as the owner of %', d.source
      using errcode = '42501', hint = 'Call create_tally, alter_tally or reload.';
  end if;
  perform tally.check_form(d);
  if position('pg_temp' in d.path) = 0 or d.source_name is null or d.code is null or d.key_type is null then
    raise exception 'the definition of tally "%" is incomplete', d.name
      using errcode = '22004', hint = 'Call create_tally, alter_tally or reload.';
  end if;

  lock table tally.definition in share row exclusive mode;
  select * into known from tally.definition t where t.name = d.name;
  if d.id is null then
    if known.id is not null then
      raise exception 'name: there is a tally "%" already, with another definition', d.name
        using errcode = '42710', hint = 'Change it with alter_tally, or drop it with drop_tally first.';
    end if;
    insert into tally.definition (name, source, source_name, key, counters, filter, transport, materialize, actions, path,
                                  key_type, code)
    values (d.name, d.source, d.source_name, d.key, d.counters, d.filter, d.transport, d.materialize, d.actions, d.path,
            d.key_type, d.code)
    returning id into d.id;
  else
    if known.id is distinct from d.id then
      raise exception 'tally "%" was dropped meanwhile', d.name using errcode = '42704', hint = 'Create it with create_tally.';
    elsif owner not in (select tally.owners(known)) then
      raise exception 'tally "%" belongs to %', d.name, known.source_name
        using errcode = '42501', hint = 'Its owner has to drop it first.';
    end if;
    update tally.definition t
       set source = d.source, source_name = d.source_name, key = d.key, counters = d.counters, filter = d.filter,
           transport = d.transport, materialize = d.materialize, actions = d.actions, path = d.path, key_type = d.key_type,
           code = d.code
     where t.id = d.id;
    -- Functions of another owner cannot be replaced, and a former source keeps its triggers: drop both.
    for stale in
      select oid from pg_proc
       where pronamespace = 'tally'::regnamespace and proname ~ format('^tally_%s_[a-z]+$', d.id)
         and (proowner <> owner or known.source <> d.source)
    loop
      execute format('drop function %s cascade', stale::regprocedure);
    end loop;
  end if;

  perform tally.build(d.id, true);
end
$$;

-- Drops a tally: its functions, with them its triggers, and its definition.
create or replace function tally.unregister(name text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set client_min_messages = warning as $$
declare
  known tally.definition;
  owner oid;
  stale oid;
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
    select oid from pg_proc
     where pronamespace = 'tally'::regnamespace and proname ~ format('^tally_%s_[a-z]+$', known.id)
  loop
    execute format('drop function %s cascade', stale::regprocedure);
  end loop;
  delete from tally.definition t where t.id = known.id;
  -- With its last tally the owner loses the right on the sequence, so that the role can be dropped.
  if owner is not null
     and not exists (select from pg_proc
                      where pronamespace = 'tally'::regnamespace and proname ~ '^tally_[0-9]+_truth$' and proowner = owner)
     and owner <> (select nspowner from pg_namespace where nspname = 'tally') then
    execute format('revoke usage on sequence tally.event_number from %I', pg_get_userbyid(owner));
  end if;
  perform tally.announce($1);
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
    perform set_config('search_path', d.path, true);
    target := pg_catalog.to_regclass(d.materialize);
    parsed := pg_catalog.parse_ident(d.materialize);
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

-- Whether the tally exists with this definition. If one of that name has another definition, an error.
create or replace function tally.is_there(wanted tally.definition) returns boolean
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  known tally.definition := tally.look_up(wanted.name);
begin
  if known.id is null then
    return false;
  elsif known.source = wanted.source and known.key = wanted.key and tally.same(known.counters, wanted.counters)
        and known.filter is not distinct from wanted.filter and known.transport = wanted.transport
        and tally.same_table(known.materialize, wanted.materialize, wanted.path) and tally.same(known.actions, wanted.actions) then
    return true;
  end if;
  raise exception 'name: there is a tally "%" already, with another definition', wanted.name
    using errcode = '42710', hint = 'Change it with alter_tally, or drop it with drop_tally first.';
end
$$;

-- All steps from the arguments, in `wanted`, to the triggers.
create or replace function tally.define(wanted tally.definition) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  owner oid;
  left_behind regclass;
begin
  perform tally.check_source(wanted.source);
  perform tally.check_owner(wanted.name, wanted.source);
  -- From here on no transaction can write under the old and the new definition.
  perform tally.lock_writers(wanted.name, wanted.source, 'share row exclusive'::text);
  for left_behind in select t from tally.left_behind(wanted.id, wanted.source) as t loop
    perform tally.check_owner(wanted.name, left_behind);
    perform tally.lock_writers(wanted.name, left_behind, 'access exclusive'::text);  -- its triggers are dropped
  end loop;
  if wanted.id is null and tally.is_there(wanted) then
    return;  -- another session created it meanwhile
  end if;
  select format('%I.%I', n.nspname, c.relname), c.relowner into wanted.source_name, owner
    from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = wanted.source;
  perform tally.open_stand_in(owner);
  wanted := tally.understand_all(owner, wanted);
  perform tally.check_actions(owner, wanted);
  if wanted.materialize is not null then
    wanted := tally.prepare_materialize(owner, wanted);
  end if;
  perform tally.register(wanted);
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
  if tally.is_there(wanted) then
    return;  -- a repeated migration does not wait for writers
  end if;
  perform tally.define(wanted);
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
  perform tally.define(wanted);
  perform tally.announce(name);
end
$$;

-- The table that is the source now: the one with the recorded name, else the renamed one.
create or replace function tally.current_source(d tally.definition) returns regclass
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  today regclass := coalesce(tally.table_named(d.source_name), (select oid from pg_class where oid = d.source));
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
  select o into owner from tally.owners(known) as o where pg_has_role(current_user, o, 'member') limit 1;
  if owner is null then
    raise exception 'name: role % does not own %, the source of tally "%"', current_user, known.source_name, $1
      using errcode = '42501', hint = 'Only the owner of the source creates, alters, reloads or drops its tallies.';
  end if;
  -- DROP TRIGGER needs this lock. A weaker lock first could end in a deadlock.
  if exists (select from pg_class where oid = known.source)
     and pg_has_role(current_user, (select relowner from pg_class where oid = known.source), 'member') then
    perform tally.lock_writers($1, known.source, 'access exclusive'::text);
  end if;
  for left_behind in select t from tally.left_behind(known.id, known.source) as t loop
    if pg_has_role(current_user, (select relowner from pg_class where oid = left_behind), 'member') then
      perform tally.lock_writers($1, left_behind, 'access exclusive'::text);
    end if;
  end loop;
  perform tally.open_stand_in(owner);
  perform tally.unregister($1);
  perform tally.close_stand_in();
end
$$;

-- Creates missing triggers, and sends the event that makes every replica load again: no event has the earlier changes.
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
  perform tally.define(known);
  known := tally.look_up($1);
  if known.source_name <> before.source_name then
    perform tally.announce($1);
  end if;
  execute 'select ' || tally.sending(known.transport, tally.event_head(known.name) || ' || '',"reload":true}''');
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

-- 110_tallies.sql
-- The list of tallies, with the problems that keep them from being exact.

create or replace function tally.problems(name text) returns text[]
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
  d tally.definition;
  found_now oid;
  owner oid;
  problems text[] := '{}';
  reload text := format('select tally.reload(%L)', $1);
  kind text;
  part regclass;
  enabled "char";
  argument text;
  read_name text;
  type_then text;
  type_now text;
begin
  select * into d from tally.definition t where t.name = $1;
  if not found then
    return null;
  end if;
  found_now := tally.table_named(d.source_name);
  select relowner into owner from pg_class where oid = d.source;
  if not found then
    if found_now is null then
      return array[format('source %s was dropped; remedy: select tally.drop_tally(%L)', d.source_name, $1)];
    end if;
    return array[format('source %s was dropped and another table has its name; remedy: %s', d.source_name, reload)];
  elsif found_now is null then
    problems := problems || format('source %s was renamed to %s; remedy: %s', d.source_name, d.source, reload);
  elsif found_now <> d.source then
    return array[format('source %s was renamed to %s and another table has its name; remedy: %s', d.source_name, d.source, reload)];
  end if;

  for part in select p from tally.parts(d.source) as p loop
    foreach kind in array array['insert', 'update', 'delete', 'truncate'] loop
      select tgenabled into enabled from pg_trigger
       where tgrelid = part and tgname = format('tally_%s_%s', d.id, kind)
         and tgfoid = to_regproc(format('tally.tally_%s_%s', d.id, kind));
      if not found then
        problems := problems || format('%s %s has no %s trigger, its changes are not counted; remedy: %s',
                                       case when part = d.source then 'source' else 'partition' end, part, kind, reload);
      elsif enabled = 'D' then
        problems := problems || format('the %s trigger of %s is disabled; remedy: %s', kind, part, reload);
      elsif enabled <> 'A' then
        problems := problems || format('the %s trigger of %s does not fire for every session_replication_role; remedy: %s', kind, part, reload);
      end if;
    end loop;
  end loop;

  for part in select t from tally.left_behind(d.id, d.source) as t loop
    problems := problems || format('%s is no part of the source any more, but its changes are counted; remedy: %s', part, reload);
  end loop;

  -- By the names of columns: their numbers change with a dump and restore. No code of the owner runs here.
  for argument, read_name, type_then in
    select r ->> 'argument', r ->> 'name', r ->> 'type'
      from json_array_elements(case when json_typeof(d.code -> 'reads') = 'array' then d.code -> 'reads' else '[]' end) as r
     where r ->> 'argument' is not null and r ->> 'name' is not null and r ->> 'type' is not null
  loop
    select format_type(atttypid, null) into type_now
      from pg_attribute where attrelid = d.source and attname = read_name and attnum > 0 and not attisdropped;
    if not found then
      problems := problems || format('its %s reads column %I, which %s does not have any more, so that writing fails; remedy: '
                                     'select tally.alter_tally(%L, %s => ...) with the new name or without it',
                                     argument, read_name, d.source, $1, argument);
    elsif type_now <> type_then then
      problems := problems || format('its %s reads column %I, which is of type %s now, not %s; remedy: %s',
                                     argument, read_name, type_now, type_then, reload);
    end if;
  end loop;

  if d.generated = '' then
    problems := problems || format('its functions are of an older version of pgtally; remedy: %s', reload);
  end if;
  if exists (select from pg_proc
              where pronamespace = 'tally'::regnamespace and proname ~ format('^tally_%s_[a-z]+$', d.id) and proowner <> owner) then
    problems := problems || format('source %s belongs to %s now, its functions do not; remedy: %s', d.source, pg_get_userbyid(owner), reload);
  elsif exists (select from pg_proc
                 where pronamespace = 'tally'::regnamespace and proname ~ format('^tally_%s_[a-z]+$', d.id) and not prosecdef) then
    problems := problems || format('its functions were altered; remedy: %s', reload);
  end if;
  if not has_schema_privilege(owner, 'tally', 'usage') or not has_sequence_privilege(owner, 'tally.event_number', 'usage') then
    problems := problems || format('role %s lacks what its triggers need; remedy: %s', pg_get_userbyid(owner), reload);
  end if;
  if (select c.relrowsecurity and c.relforcerowsecurity and not r.rolbypassrls and not r.rolsuper
        from pg_class c join pg_roles r on r.oid = c.relowner where c.oid = d.source) then
    problems := problems || format('row level security hides rows of %s from its owner, the truth is an error; remedy: '
                                   'alter table %s no force row level security, or alter role %I bypassrls', d.source, d.source, pg_get_userbyid(owner));
  end if;
  if d.materialize is not null and tally.table_named(d.materialize) is null then
    problems := problems || format('table %s to keep the counters in is gone; remedy: %s', d.materialize, reload);
  end if;
  return problems;
end
$$;

-- The tallies whose functions must be generated again and all belong to the current owner of the source.
create or replace function tally.outdated() returns table (number integer, name text, owner oid)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select d.id, d.name, c.relowner
    from tally.definition d join pg_class c on c.oid = d.source
   where d.generated = ''
     and not exists (select from pg_proc
                      where pronamespace = 'tally'::regnamespace and proname ~ format('^tally_%s_[a-z]+$', d.id)
                        and proowner <> c.relowner)
   order by d.id
$$;

create or replace view tally.tallies as
  select d.name, d.source_name as source, d.key, d.counters, d.filter, d.transport, d.materialize, d.actions,
         tally.problems(d.name) as problems, d.key_type
    from tally.definition d;

revoke all on tally.tallies from public;

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
    if tally.lacks_on_table(d.materialize, role) is not null and pg_has_role(current_user, d.owner, 'member')
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

-- Grants the rights that serving needs: the role can read the counters of every tally and run every action.
create or replace function tally.grant_server(role text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  called text;
begin
  perform tally.check_role(role);
  execute format('grant usage on schema tally to %I', role);
  execute format('grant select on tally.tallies to %I', role);
  foreach called in array array['truth(text)', 'lock_source(text)', 'version()', 'problems(text)',
                                'act(text, text, text, json, text)', 'lost_source(text)',
                                'materialize_target(text, text, text[])', 'lacks_on_table(text, text)'] loop
    if to_regprocedure('tally.' || called) is not null then  -- while an older version installs, some do not exist
      execute format('grant execute on function tally.%s to %I', called, role);
    end if;
  end loop;
  perform tally.grant_tables(role);
end
$$;

-- Grants the rights that creating tallies needs: all functions except those that read the counters of other owners, run
-- their actions, or grant.
create or replace function tally.grant_create(role text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  called regprocedure;
begin
  perform tally.check_role(role);
  execute format('grant usage on schema tally to %I', role);
  for called in
    select oid::regprocedure from pg_proc
     where pronamespace = 'tally'::regnamespace and proname !~ '^tally_[0-9]+_'
       and proname not in ('truth', 'lock_source', 'act', 'grant_server', 'grant_create', 'grant_tables')
  loop
    execute format('grant execute on function %s to %I', called, role);
  end loop;
  if not has_database_privilege(role, current_database(), 'temporary') then
    raise notice 'role % needs one more right: grant temporary on database % to %', role,
                 quote_ident(current_database()), quote_ident(role);
  end if;
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
  -- OPEN parses the whole text and runs nothing of it. It fails for several statements, and for a statement that returns no
  -- rows. Only the second message names the kind of the statement, in every language of messages.
  perform set_config('search_path', 'pg_catalog, ' || path, true);
  perform tally.as_owner(owner, format('do %L', format($body$
    declare
      c refcursor;
    begin
      open c for execute %L using null::pg_catalog.text, null::pg_catalog.json;
      close c;
    end
    $body$, statement)));
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
create or replace function tally.generate_act(d tally.definition, owner name) returns setof text
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
    format(E'\nbegin%s%s\nend\n', tally.self_check(owner),
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

-- Why a tally has lost its source: the table was dropped or renamed, or another table has its name. Null if it has not.
create or replace function tally.lost_source(name text) returns text
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
  d tally.definition;
begin
  select * into d from tally.definition t where t.name = $1;
  if not found or (tally.table_named(d.source_name) = d.source and exists (select from pg_class where oid = d.source)) then
    return null;
  end if;
  return (tally.problems(name))[1];
end
$$;

-- 900_finish.sql
-- The end of every installation: rights, and the functions that an older version generated.

do $$
declare
  called regprocedure;
  role name;
  outdated integer;
begin
  -- PUBLIC may execute new functions by default. (Generated functions belong to the owners of sources: their statements
  -- include the revoke.)
  for called in
    select oid::regprocedure from pg_proc
     where pronamespace = 'tally'::regnamespace
       and proowner = (select nspowner from pg_namespace where nspname = 'tally')
  loop
    execute format('revoke all on function %s from public', called);
  end loop;

  -- Roles that could serve or create before get the rights of this version.
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

  -- Row by row: if nothing is outdated, the table is only read, and sessions that create tallies are not waited for.
  for outdated in select d.id from tally.definition d where d.generated <> '' and tally.is_outdated(d) loop
    update tally.definition d set generated = '' where d.id = outdated;
  end loop;
end
$$;

-- Generates outdated functions again, where the installing role may act as their owner. The triggers stay, so no source is
-- locked. The other tallies have a problem in tally.tallies.
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

commit;
