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
