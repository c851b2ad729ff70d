-- Version 3: a function that servers call.

-- Why a tally has lost its source: the table was dropped, or renamed while another table has its name. Null if it has not.
create or replace function tally.lost_source(name text) returns text
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select format('%s; remedy: %s', f.message, f.remedy) from tally.findings($1) as f where f.kind = 'source_lost'
$$;
