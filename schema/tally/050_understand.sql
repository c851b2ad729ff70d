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
