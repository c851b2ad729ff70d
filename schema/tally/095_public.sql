-- The functions that users call. The search_path of the caller gives the names in the arguments their meaning, so these
-- functions run under it and pass it on. Every name in them is qualified.

create or replace function tally.search_path() returns text
language sql stable as $$
  select pg_catalog.concat_ws(', ',
           (select pg_catalog.string_agg(pg_catalog.quote_ident(s), ', ' order by i)
              from pg_catalog.unnest(pg_catalog.current_schemas(false)) with ordinality as u (s, i)
             where s operator(pg_catalog.!~) '^pg_temp'), 'pg_temp')
$$;

create or replace function tally.create_tally(
  name text, source text, key text, counters json default '{"count": "1"}', filter text default null,
  transport text default 'notify', materialize text default null, actions json default null) returns void
language sql as $$
  select tally.define_new($1, $2, $3, coalesce($4, '{"count": "1"}'::pg_catalog.json), $5, $6, $7, $8, tally.search_path())
$$;

create or replace function tally.alter_tally(
  name text, source text default null, key text default null, counters json default null, filter text default null,
  transport text default null, materialize text default null, actions json default null) returns void
language sql as $$
  select tally.define_again($1, $2, $3, $4, $5, $6, $7, $8, tally.search_path())
$$;

create or replace function tally.drop_tally(name text) returns void
language sql as $$
  select tally.define_gone($1)
$$;

create or replace function tally.reload(name text) returns void
language sql as $$
  select tally.define_reload($1)
$$;
