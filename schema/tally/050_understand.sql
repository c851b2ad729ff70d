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
