# The part of tools/bench that compares the client library; sourced.
# shellcheck shell=bash disable=SC2034,SC2154 # shares its variables with tools/bench

# shellcheck disable=SC2012 # the names are plain
bindir=${PGTALLY_PG_BINDIR:-$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)}
[ -x "$bindir/pgbench" ] || die "no pgbench found under /usr/lib/postgresql: run tools/setup"
notifications=500000 rows=1000000
slices=20 slice=0.05 # in seconds; short, so that other work on this machine disturbs all contestants alike
bare=build/bench/pgtally-bench-bare

sql() { PGOPTIONS='-c client_min_messages=warning' "$bindir/psql" -XAtq -v ON_ERROR_STOP=1 -d "$dsn" "$@"; }

if [ -z "$dsn" ]; then
  # The variables of libpq must not lead to another database.
  for name in $(compgen -e); do
    case $name in
      PGTALLY_PG_BINDIR) ;;
      PG*) unset "$name" ;;
    esac
  done
  say "starting PostgreSQL"
  cluster_made=yes
  dsn=$(setsid --wait tools/cluster start "$folder/cluster" fsync=off)
fi
say "making the tables"
[ "$(sql -c "select count(*) from pg_namespace where nspname = 'pgtally_bench'")" = 0 ] ||
  die "the database has a schema pgtally_bench already: drop it first"
schema_made=yes
sql -v rows="$rows" <<'END'
create schema pgtally_bench;
create table pgtally_bench.item (id bigint primary key, value bigint not null);
insert into pgtally_bench.item select i, i * 7 from generate_series(1, 100000) i;
create table pgtally_bench.counted (key text primary key, counters bigint[] not null);
insert into pgtally_bench.counted select md5(i::text), array[i, i * 7, i * i] from generate_series(1, :rows::bigint) i;
vacuum analyze pgtally_bench.item, pgtally_bench.counted;
END
cat >"$folder/lookup.sql" <<'END'
\set id random(1, 100000)
select value from pgtally_bench.item where id = :id;
END

enter "session 1" "$ours" lookup "$dsn" 1 "$slice"
enter "blocking" "$bare" blocking "$dsn" "$slice"
enter "pipeline 1" "$bare" pipeline "$dsn" 1 "$slice"
enter "session 16" "$ours" lookup "$dsn" 16 "$slice"
enter "pipeline 16" "$bare" pipeline "$dsn" 16 "$slice"
enter "session 256" "$ours" lookup "$dsn" 256 "$slice"
enter "pipeline 256" "$bare" pipeline "$dsn" 256 "$slice"
duels=("session 1" "blocking" "pipeline 1" "session 16" "pipeline 16" "session 256" "pipeline 256")

# Other contestants run once in a round, and print one or two figures.
pgbench_with() {
  "$bindir/pgbench" -n -M prepared -c "$1" -T "$seconds" -f "$folder/lookup.sql" "$dsn" >"$folder/pgbench" 2>"$folder/log" ||
    { cat "$folder/log" >&2; return 1; }
  awk '/^tps = / { print $3; found = 1 } END { exit !found }' "$folder/pgbench"
}
listener() { "$ours" listen "$dsn" "$notifications"; }
notify_loop() { "$bare" listen "$dsn" "$notifications"; }
copied='select key, counters from pgtally_bench.counted'
rows_per_second() { # COMMAND ...
  local began=$EPOCHREALTIME
  "$@" >"$folder/log" || return 1
  awk -v rows="$rows" -v from="$began" -v to="$EPOCHREALTIME" 'BEGIN { print rows / (to - from) }'
}
our_copy() { rows_per_second "$ours" copy "$dsn" "$copied" "$folder/ours"; }
psql_copy() { rows_per_second sql -c "\\copy ($copied) to '$folder/theirs'"; }
contestants=("pgbench_with 1" "pgbench_with 8" "listener" "notify_loop" "our_copy" "psql_copy")

# What is compared: TITLE | OURS | FIELD | THEIR TITLE | THEIRS | AIM, which may be empty.
comparisons=(
  "lookups/s, 1 caller|session 1|1|libpq, blocking|blocking|0.9"
  "lookups per CPU second|session 1|2|libpq, blocking|blocking|"
  "lookups/s, 1 caller|session 1|1|libpq's pipeline, window 1|pipeline 1|"
  "lookups per CPU second|session 1|2|libpq's pipeline, window 1|pipeline 1|"
  "lookups/s, 1 caller|session 1|1|pgbench, 1 connection|pgbench_with 1|"
  "lookups/s, 16 callers|session 16|1|libpq's pipeline, window 16|pipeline 16|"
  "lookups per CPU second|session 16|2|libpq's pipeline, window 16|pipeline 16|"
  "lookups/s, 256 callers|session 256|1|libpq's pipeline, window 256|pipeline 256|0.8"
  "lookups per CPU second|session 256|2|libpq's pipeline, window 256|pipeline 256|"
  "lookups/s, 256 callers|session 256|1|pgbench, 8 connections|pgbench_with 8|1"
  "notifications/s|listener|1|PQnotifies|notify_loop|"
  "notifications per CPU second|listener|2|PQnotifies|notify_loop|0.9"
  "COPY to a file, rows/s|our_copy|1|psql's \\copy|psql_copy|0.83"
)

run_round() { # TITLE
  local contestant i words
  say "$1: lookups"
  for ((i = 0; i < seconds * slices; ++i)); do take_slices; done
  for contestant in "${contestants[@]}"; do
    say "$1: $contestant"
    read -ra words <<<"$contestant"
    "${words[@]}" >>"$folder/of $contestant" || die "$contestant did not work"
  done
  cmp -s "$folder/ours" "$folder/theirs" || die "the two copies differ"
}
