/* What the loops over bare libpq have in common. Any failure ends the program. */
#ifndef PGTALLY_BENCH_BARE_H
#define PGTALLY_BENCH_BARE_H

#include <libpq-fe.h>

/* Says why, by the connection or, without one, by errno. */
_Noreturn void die(PGconn *conn, char const *what);
PGconn *open_connection(char const *dsn);

/* Seconds of the clock, and of this process's CPU. */
double now(void);
double cpu(void);

/* For each line of stdin: looks up by primary key for `seconds`, prints lookups/s, and per second of CPU. */
void blocking_loop(PGconn *conn, double seconds);

/* The same with at most `window` lookups in flight. */
void pipeline_loop(PGconn *conn, int window, double seconds);

/* Receives `count` notifications that were sent at once; prints how many per second, and of CPU. */
void notify_loop(char const *dsn, PGconn *conn, long count);

#endif
