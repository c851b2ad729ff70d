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

-- Who holds a lock on this table that stands in the way of `mode`.
create or replace function tally.holders(held regclass, mode text) returns text
language sql set search_path = pg_catalog, pg_temp as $$
  select coalesce(string_agg(distinct case when l.pid is null then 'a prepared transaction (see pg_prepared_xacts)'
                                           else format('pid %s (user %s, application "%s", %s)', l.pid, coalesce(a.usename, '?'),
                                                       a.application_name, coalesce(a.state, 'state hidden')) end, ', '),
                  'a transaction that has ended meanwhile')
    from pg_locks l
         left join pg_stat_activity a using (pid)
   where l.locktype = 'relation' and l.granted and l.pid is distinct from pg_backend_pid()
     and l.database = (select oid from pg_database where datname = current_database())
     and l.relation = held and (mode = 'access exclusive' or l.mode not in ('AccessShareLock', 'RowShareLock'))
$$;

-- How long a session that holds locks which others need may wait for further ones. PostgreSQL looks for a deadlock when a session
-- has waited for deadlock_timeout, and ends the statement of the session that looks: the wait ends before any other session does.
-- Those that wait already look at a known time, and on a busy machine somewhat later; those that begin to wait look later than half
-- of deadlock_timeout from now. Not longer than the session waits for any lock.
create or replace function tally.hurry() returns interval
language sql volatile set search_path = pg_catalog, pg_temp as $$
  with of_session as (select current_setting('deadlock_timeout')::interval as looks_after,
                             nullif(current_setting('lock_timeout')::interval, '0') as any_lock, clock_timestamp() as now),
       others as (select coalesce(l.waitstart, now) + looks_after as looks_at
                    from of_session, pg_locks l join pg_stat_activity a using (pid)
                   where not l.granted and l.pid <> pg_backend_pid()
                     and a.datid = (select oid from pg_database where datname = current_database()))
  select greatest(interval '0', least(looks_after / 2, interval '500 ms', any_lock,
                                      (select min(looks_at) - now - interval '50 ms' from others
                                        where looks_at > now - interval '200 ms')))
    from of_session
$$;

-- One session at a time changes definitions.
create or replace function tally.lock_definitions() returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  lock table tally.definition in share row exclusive mode;
end
$$;

-- Locks one table until `deadline`, or raises 55P03. Restores lock_timeout.
create or replace function tally.lock_until(deadline timestamptz, wanted regclass, mode text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  before text := current_setting('lock_timeout');
  rest integer := ceil(date_part('epoch', deadline - clock_timestamp()) * 1000);
begin
  perform set_config('lock_timeout', greatest(rest, 1)::text, true);
  if wanted = 'tally.definition'::regclass then
    perform tally.lock_definitions();
  else
    execute format('lock table only %s in %s mode', wanted, mode);
  end if;
  perform set_config('lock_timeout', before, true);
end
$$;

-- Locks what a change of a tally needs: the source and its parts in this mode, tables that only have its triggers still, and
-- the definitions. `source` may be null. Waits as long as the session's lock_timeout and at most ten seconds. A timeout names the
-- sessions that hold the lock.
--
-- No statement of an application loses a deadlock to it. It waits long for one lock only, while it holds none of the
-- others. Then it hurries: if it does not get all others in time, it lets go of everything and waits for the one it lacked.
create or replace function tally.lock_writers(name text, source regclass, mode text, former regclass[]) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
declare
  before text := current_setting('lock_timeout');
  deadline timestamptz := clock_timestamp()
                          + case when before::interval = '0' then interval '10 s' else least(before::interval, interval '10 s') end;
  soon timestamptz;
  lacked regclass;
  next regclass;
begin
  loop
    soon := null;
    begin
      for next in
        select lacked where lacked is not null
        union all select source where source is not null
        union all select p from tally.parts(source) as p
        union all select f from unnest(former) as f
        union all select 'tally.definition'::regclass
      loop
        lacked := next;
        perform tally.lock_until(least(deadline, soon), next, case when next = any (former) then 'access exclusive' else mode end);
        soon := coalesce(soon, clock_timestamp() + tally.hurry());
      end loop;
      if source is not null then
        lacked := source;
        perform set_config('lock_timeout', '1ms', true);
        execute format('lock table %s in %s mode', source, mode);  -- partitions that came meanwhile, too
        perform set_config('lock_timeout', before, true);
      end if;
      exit;
    exception
      when lock_not_available then
        if clock_timestamp() >= deadline then
          raise exception 'tally "%": % is in use by %', name, lacked,
                          tally.holders(lacked, case when lacked = any (former) then 'access exclusive' else mode end)
            using errcode = '55P03', detail = 'Nothing was changed.',
                  hint = 'Try again after it ends, or end it with pg_terminate_backend.';
        end if;
    end;
  end loop;
end
$$;

-- Versions before 6 locked tables one after the other, and waited for each.
drop function if exists tally.lock_writers(text, regclass, text);
