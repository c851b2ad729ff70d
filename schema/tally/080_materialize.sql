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
