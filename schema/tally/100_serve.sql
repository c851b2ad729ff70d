-- What a server calls. It has no right on any source: these run as the schema's owner and call the tally's generated
-- functions, which run as the source's owner.

-- The number of a tally in the names of its functions.
create or replace function tally.number_of(name text) returns integer
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
  number integer := (select d.id from tally.definition d where d.name = $1);
begin
  if number is null then
    raise exception 'there is no tally "%"', $1 using errcode = '42704', hint = 'select name from tally.tallies shows them all.';
  end if;
  return number;
end
$$;

-- The counters by SQL, in the snapshot of the calling query (so: STABLE, all the way down).
create or replace function tally.truth(name text) returns table (key text, counters bigint[])
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
  return query execute format('select k, c from tally.tally_%s_truth()', tally.number_of($1));
end
$$;

-- Keeps a TRUNCATE or a table rewrite from coming between a fence and the first row read.
create or replace function tally.lock_source(name text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  execute format('select tally.tally_%s_lock()', tally.number_of($1));
end
$$;
