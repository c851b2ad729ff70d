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
-- trigger or a function altered, another installation. It stays the same when something is renamed.
create or replace function tally.look() returns table (name text, v bigint, fingerprint text)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select d.name, d.v, md5(concat_ws(E'\n',
    (select i.id from tally.installation i), (select system_identifier from pg_control_system()),
    (select oid from pg_database where datname = current_database()), d.id, d.v, d.source::oid, d.key_type,
    (select string_agg(concat_ws(' ', c.oid, c.relfilenode, c.relkind, c.relowner, c.relispartition, c.relforcerowsecurity,
                                 (select string_agg(concat_ws('>', h.inhrelid, h.inhparent), ' ' order by h.inhrelid, h.inhparent)
                                    from pg_inherits h where c.oid in (h.inhrelid, h.inhparent))), ',' order by c.oid)
       from tally.parts(d.source) as part join pg_class c on c.oid = part),
    (select string_agg(concat_ws(' ', c.place, c.number, c.type, a.atttypmod, a.attgenerated, a.attcollation), ',' order by c.place)
       from tally.columns_today(d) as c left join pg_attribute a on a.attrelid = d.source and a.attnum = c.number),
    (select string_agg(concat_ws(' ', t.tgrelid, t.tgfoid, t.tgenabled, t.tgtype, encode(t.tgargs, 'hex')), ',' order by t.tgrelid, t.tgfoid, t.oid)
       from pg_trigger t join pg_proc p on p.oid = t.tgfoid
      where p.pronamespace = 'tally'::regnamespace and p.proname ~ tally.generated_name(d.id)),
    (select string_agg(tally.body_of(p), ',' order by p.oid)
       from pg_proc p where p.pronamespace = 'tally'::regnamespace and p.proname ~ tally.generated_name(d.id)),
    -- the functions that its expressions call
    (select string_agg(distinct tally.body_of(used), ',')
       from pg_proc p join pg_depend e on e.classid = 'pg_proc'::regclass and e.objid = p.oid and e.refclassid = 'pg_proc'::regclass
                      join pg_proc used on used.oid = e.refobjid
      where p.pronamespace = 'tally'::regnamespace and p.proname ~ tally.generated_name(d.id)),
    (select tally.labels(p.prorettype)
       from pg_proc p where p.pronamespace = 'tally'::regnamespace and p.proname = format('tally_%s_key', d.id)),
    nullif(tally.namesake(d), d.source)::oid))  -- another table took the name
    from tally.definition d
$$;
