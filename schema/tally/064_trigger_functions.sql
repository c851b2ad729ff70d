-- The functions of the triggers.
--
-- Each expression is a function of its own, `language sql ... return <expression>`. PostgreSQL keeps such a body parsed, so a
-- rename of anything that it uses changes nothing, and inlines it, so it costs a writer nothing. Its parameters are the
-- columns that it reads: a function over the row type of the source would make PostgreSQL refuse changes of the table.
--
-- The whole cost for a writer is in the trigger functions. One query sums the rows of the statement per key and prints each
-- key's part of an event. If the parts do not fit into one event, a loop distributes them over several.
--
-- No error of an expression reaches the writer. The query stands in a block with an exception handler. At first it reads the
-- columns by the names of the time when the function was generated; if these do not fit any more, or on an error, again by
-- today's names. An error of that is sent as an event "broken". The events are sent after the block: a logical message inside
-- it would give each statement the id of a subtransaction.
--
-- Sums of bigint are numeric, so that no sum overflows. If a bigint cannot hold a sum, or if a statement changes more than
-- a million keys, the trigger sends a "reload" event.

create or replace function tally.trigger_body(d tally.definition, kind text) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  part text;      -- SQL expression: the part of a key in an event
  wide text;      -- SQL condition: a bigint can hold each sum
  template text;  -- the query of the parts
  budget integer := 7999 - 101 - octet_length(d.name) - octet_length(d.v::text);  -- bytes for parts beside the longest head
begin
  part := case when (d.code ->> 'native')::boolean then '''["'' || k::text || ''"''' else '''['' || to_json(k)::text' end
          || (select string_agg(format(' || '','' || c%s::text', i), '') || ' || '']'''
                from generate_series(1, json_array_length(d.code -> 'counters')) as i);
  select string_agg(format('c%s between -9223372036854775808 and 9223372036854775807', i), ' and ') into wide
    from json_array_elements(d.code -> 'counters') with ordinality as e (c, i)
   where c ->> 'type' = 'bigint';
  if wide is not null then
    part := format('case when %s then %s end', wide, part);
  end if;
  template := format('(select %s as part from (%s) as sums where %s limit 1000001) as counted', part, tally.sums(d, kind), tally.condition(d));
  return format($body$
#variable_conflict use_column
declare
  today text[];
  fits boolean;
  parts text[];
  part text;
  deltas text;
  events text[];
  event text;
  state text;
  message text;
begin
  for attempt in 1..2 loop
    begin
      events := '{}';
      if attempt = 1 then
        select array_agg(part), tally.reads_columns(%2$s, %1$L) into parts, fits from %3$s;
      end if;
      if attempt = 2 or fits is not true then
        today := tally.column_names(%2$s);
        exit when today is null;
        execute format(%4$L, variadic today) into parts;
      end if;
      exit when parts is null;
      if cardinality(parts) > 1000000 %5$s then
        events := array[%6$s || ',"reload":true}'];
        exit;
      end if;
      deltas := array_to_string(parts, ',');
      if octet_length(deltas) <= %7$s then
        events := array[%6$s || ',"d":[' || deltas || ']}'];
        exit;
      end if;
      deltas := null;
      foreach part in array parts loop
        if octet_length(deltas) + octet_length(part) >= %7$s then
          events := events || (%6$s || ',"d":[' || deltas || ']}');
          deltas := part;
        else
          deltas := coalesce(deltas || ',', '') || part;
        end if;
      end loop;
      events := events || (%6$s || ',"d":[' || deltas || ']}');
      exit;
    exception
      when others then
        get stacked diagnostics state = returned_sqlstate, message = message_text;
        events := array[%8$s || ',"broken":' || to_json(state || ' ' || left(message, 500))::text || '}'];
    end;
  end loop;
  foreach event in array events loop
    %9$s
  end loop;
  return null;
end
$body$, tally.recorded_names(d)::text, d.id, format(template, variadic tally.recorded_names(d)), 'select array_agg(part) from ' || template,
        case when wide is not null then 'or array_position(parts, null) is not null' else '' end,
        tally.event_head(d), budget, tally.event_head(d, tally.now_text()), tally.sending_statement(d.transport));
end
$$;

-- TRUNCATE of the source sets every counter to 0. TRUNCATE of a partition removes rows that nothing has counted by key, so
-- replicas must load again. If it cannot take a number for the event, it takes the time.
create or replace function tally.truncate_body(d tally.definition) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select format($body$
declare
  event text;
begin
  begin
    if tally.column_names(%1$s) is null then
      return null;
    end if;
    event := %2$s;
  exception
    when others then
      event := %3$s;
  end;
  event := event || case tg_argv[0] when 'source' then ',"truncate":true}' else ',"reload":true}' end;
  %4$s
  return null;
end
$body$, d.id, tally.event_head(d), tally.event_head(d, tally.now_text()), tally.sending_statement(d.transport))
$$;
