-- The table that a tally is materialized in: looked for, checked, or made.

create or replace function tally.prepare_materialize(owner oid, d tally.definition) returns tally.definition
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  target regclass;
  parsed text[];
  rel pg_class;
  server name;
  member text;
  type_found oid;
  candidates integer;
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
      raise exception 'materialize: "%" is no name of a table', d.materialize
        using errcode = '42602', hint = 'Write it as in SQL: schema.table, with double quotes where SQL needs them.';
  end;

  if target is null then
    -- Made by the owner, with the owner's rights. Servers known now may write it.
    if cardinality(parsed) = 1 then
      parsed := array[(parse_ident(split_part(d.path, ',', 1)))[1], parsed[1]];
    end if;
    if parsed[1] = 'pg_temp' or to_regnamespace(quote_ident(parsed[1])) is null then
      raise exception 'materialize: there is no schema to make table % in', d.materialize
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
        raise exception 'materialize: table %.% cannot be made: %', quote_ident(parsed[1]), quote_ident(parsed[2]), sqlerrm
          using errcode = sqlstate,
                hint = format('Role %s makes it: give that role what is missing, or make the table yourself.', pg_get_userbyid(owner));
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
    raise exception 'materialize: % is no table that counters can be kept in', d.materialize
      using errcode = '42809', hint = 'Name an ordinary table, or one that is not there yet.';
  elsif target = d.source then
    raise exception 'materialize: % is the source itself', d.materialize
      using errcode = '22023', hint = 'Name another table.';
  end if;
  -- The server writes it with rights of its own: the one who names it must have them too.
  if not has_table_privilege(owner, target, 'insert') or not has_table_privilege(owner, target, 'update') then
    raise exception 'materialize: role % may not write %', pg_get_userbyid(owner), d.materialize
      using errcode = '42501', hint = format('grant select, insert, update on %s to %I', d.materialize, pg_get_userbyid(owner));
  end if;
  for member in select m.member from tally.members('counters'::text, d.counters) as m loop
    select atttypid into type_found from pg_attribute
     where attrelid = target and attname = member and attnum > 0 and not attisdropped;
    if not found or type_found not in ('int8'::regtype, 'numeric'::regtype) then
      raise exception 'materialize: table % has no column "%" of type bigint', d.materialize, member
        using errcode = '42703', hint = format('alter table %s add column %I bigint not null default 0', d.materialize, member);
    end if;
  end loop;
  select count(*) into candidates
    from pg_index join pg_attribute on attrelid = indrelid and attnum = indkey[0]
   where indrelid = target and indisunique and indisvalid and indimmediate and indnkeyatts = 1
     and indpred is null and indexprs is null and format_type(atttypid, null) = d.key_type;
  if candidates = 0 then
    raise exception 'materialize: table % has no unique column of type %', d.materialize, d.key_type
      using errcode = '42P10', hint = 'One column must be the key: of the key''s type, primary key or unique.';
  elsif candidates > 1 then
    raise exception 'materialize: table % has % unique columns of type %', d.materialize, candidates, d.key_type
      using errcode = '42P10', hint = 'Exactly one column of that type may be unique: it is the key.';
  end if;
  for server in select tally.servers() loop
    perform tally.grant_table(owner, d.materialize, server);
  end loop;
  return d;
end
$$;

-- What a server's role lacks to write such a table, if anything.
create or replace function tally.lacks_on_table(target text, server text) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
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

-- Gives it what the source's owner, whose stand-in is open, can give: never more than the owner has. The rest is for
-- others to grant.
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

-- The roles that tally.grant_server() was called for.
create or replace function tally.servers() returns setof name
language sql stable set search_path = pg_catalog, pg_temp as $$
  select r.rolname
    from pg_proc p cross join aclexplode(p.proacl) as a join pg_roles r on r.oid = a.grantee
   where p.oid = to_regprocedure('tally.truth(text)') and a.privilege_type = 'EXECUTE' and a.grantee <> p.proowner
     and has_table_privilege(r.oid, to_regclass('tally.tallies'), 'select')
$$;
