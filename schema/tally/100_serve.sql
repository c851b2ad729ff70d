-- The functions that a server calls. A server has no right on a source. These functions run as the schema's owner and call
-- the generated functions of the tally, which run as the owner of the source.

-- The number of a tally in the names of its functions.
create or replace function tally.number_of(name text) returns integer
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
  number integer := (select d.id from tally.definition d where d.name = $1);
begin
  if number is null then
    raise exception 'there is no tally "%"', $1 using errcode = '42704', hint = 'select name from tally.tallies lists all.';
  end if;
  return number;
end
$$;

-- The counters by SQL, in the snapshot of the calling query: every function down to the sums is STABLE for that.
create or replace function tally.truth(name text) returns table (key text, counters bigint[])
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
  return query execute format('select k, c from tally.tally_%s_truth()', tally.number_of($1));
  perform tally.restore_path();
end
$$;

-- Locks the source so that no TRUNCATE and no table rewrite commits between the fence and the first row of a load.
create or replace function tally.lock_source(name text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  execute format('select tally.tally_%s_lock()', tally.number_of($1));
  perform tally.restore_path();
end
$$;
