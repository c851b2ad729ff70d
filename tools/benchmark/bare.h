/* What the loops over bare libpq have in common. Any failure ends the program. */
#ifndef PGTALLY_BENCH_BARE_H
#define PGTALLY_BENCH_BARE_H

#include <libpq-fe.h>
#include <stdint.h>

#define LOOKUP "select value from pgtally_bench.item where id = $1::bigint"
#define ITEMS 100000

_Noreturn void die(PGconn *conn, char const *what);
double now(void);
PGconn *open_connection(char const *dsn);
void prepare_lookup(PGconn *conn);

/* A key of the table, as text. */
void next_key(uint64_t *state, char key[24]);

/* Dies unless it is one row. */
void check_lookup(PGconn *conn, PGresult *answer);

/* Lookups in `seconds`, with at most `window` of them in flight; gives how many per second. */
double pipeline_loop(PGconn *conn, int window, double seconds);

#endif
