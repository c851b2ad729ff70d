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
-- trigger or a function altered, another installation; what the transport needs is lost or there again. It stays the same when a type, a function or the table is renamed, and after
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
  ), wal as materialized (select tally.wal_state() as state)
  select d.name, d.v, md5(concat_ws(E'\n',
    (select i.id from tally.installation i), (select system_identifier from pg_control_system()),
    (select oid from pg_database where datname = current_database()), d.id, d.v, d.source::oid, d.key_type, parts.list,
    (select string_agg(concat_ws(' ', c.place, c.number, c.type, a.atttypmod, a.attgenerated, a.attcollation, a.xmin), ',' order by c.place)
       from tally.columns_today(d) as c left join pg_attribute a on a.attrelid = d.source and a.attnum = c.number),
    triggers.list, functions.list, called.list, labels.list,
    nullif(tally.namesake(d), d.source)::oid,  -- another table took the name
    case when d.transport = 'wal' then (select state from wal) end,
    (select 'mute' from pg_class c where c.oid = d.source and not has_function_privilege(c.relowner, tally.sender(d.transport), 'execute'))))
    from wanted w join tally.definition d on d.id = w.id
         left join parts on parts.number = d.id left join triggers on triggers.number = d.id left join functions on functions.number = d.id
         left join called on called.number = d.id left join labels on labels.number = d.id
$$;
