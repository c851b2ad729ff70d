-- Events, and what else several generated functions have in common.

-- An SQL expression that sends the text `payload` as an event.
create or replace function tally.sending(transport text, payload text) returns text
language sql immutable set search_path = pg_catalog, pg_temp as $$
  select case transport when 'wal' then format('pg_catalog.pg_logical_emit_message(true, ''tally'', %s)', payload)
                        else format('pg_catalog.pg_notify(''tally'', %s)', payload) end
$$;

-- The function in it: by number, which is the same in every version of PostgreSQL, while the parameters are not. Without a
-- SET clause PostgreSQL inlines it.
create or replace function tally.sender(transport text) returns oid
language sql immutable as $$
  select case when transport operator(pg_catalog.=) 'wal' then 3577::pg_catalog.oid else 3036::pg_catalog.oid end
$$;

-- A statement of a trigger that sends the variable `event`. If the owner of the source may not call the sender, because somebody
-- took that right from PUBLIC, it sends nothing: no writer fails, and tally.look() differs.
create or replace function tally.sending_statement(transport text) returns text
language sql immutable set search_path = pg_catalog, pg_temp as $$
  select format('if pg_catalog.has_function_privilege(%s::pg_catalog.oid, ''execute'') then if %s is null then null; end if; end if;',
                tally.sender(transport), tally.sending(transport, 'event'::text))
$$;

-- The statement that gives a role the right to send.
create or replace function tally.grant_of_sender(transport text, role oid) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select format('grant execute on function pg_catalog.%s to %I', tally.sender(transport)::regprocedure, pg_get_userbyid(role))
$$;

-- Sends an event as the role that calls.
create or replace function tally.send(transport text, payload text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if not has_function_privilege(tally.sender(transport), 'execute') then
    raise exception 'role % may not send events by transport %', current_user, transport
      using errcode = '42501', hint = tally.grant_of_sender(transport, (select oid from pg_roles where rolname = current_user));
  elsif transport = 'wal' then
    perform pg_logical_emit_message(true, 'tally', payload);
  else
    perform pg_notify('tally', payload);
  end if;
end
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
