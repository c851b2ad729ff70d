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
