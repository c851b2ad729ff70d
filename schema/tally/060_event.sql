-- Events, and what else several generated functions have in common.

-- An SQL expression that sends the text `payload` as an event. No other function knows the transports.
create or replace function tally.sending(transport text, payload text) returns text
language sql immutable set search_path = pg_catalog, pg_temp as $$
  select format('pg_catalog.pg_notify(''tally'', %s)', payload)
$$;

-- An SQL expression for the microseconds since 1970, as text.
create or replace function tally.now_text() returns text
language sql immutable as $$
  select '((date_part(''epoch'', clock_timestamp()) * 1e6)::bigint)::text'
$$;

-- An SQL expression for an event of this tally, without the last members and the closing brace. `n` is an SQL expression.
create or replace function tally.event_head(d tally.definition, n text default 'nextval(''tally.event_number'')::text') returns text
language sql immutable set search_path = pg_catalog, pg_temp as $$
  select format('''{"t":"%s","v":%s,"x":"'' || pg_current_xact_id()::text || ''","n":'' || %s || '',"at":'' || %s',
                d.name, d.v, n, tally.now_text())
$$;

-- The SET clauses of a generated function.
create or replace function tally.set_clauses(d tally.definition, plain boolean) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select case when plain then 'set search_path = pg_catalog, pg_temp'
              else (select string_agg(format('set %s = %s', setting,
                                             case when setting = 'DateStyle' then value else quote_literal(value) end), ' ')
                      from tally.settings())
                   || ' set search_path = pg_catalog, ' || tally.quoted_path(d.path) end
$$;

-- A search_path, built anew from the names in it, so that nothing else of a caller's text reaches a statement.
create or replace function tally.quoted_path(path text) returns text
language sql immutable set search_path = pg_catalog, pg_temp set quote_all_identifiers = off as $$
  select string_agg(quote_ident(case when m[1] like '"%' then replace(substr(m[1], 2, length(m[1]) - 2), '""', '"') else m[1] end),
                    ', ' order by i)
    from regexp_matches(path, '"(?:[^"]|"")+"|[^",[:space:]]+', 'g') with ordinality as r (m, i)
$$;
