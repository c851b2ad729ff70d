/* A thread that runs one statement over and over, and remembers when it began each. */
#ifndef PGTALLY_BENCH_WRITER_H
#define PGTALLY_BENCH_WRITER_H

#include <libpq-fe.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { writer_remembers = 1 << 20 }; /* statements; the writer stops there */

struct writer {
    PGconn* conn; /* NULL: there is no writer */
    double rate;  /* statements per second, 0 for as many as it can; of the next start */
    pthread_t thread;
    atomic_bool stop;
    atomic_uint_fast64_t begun; /* statements since writer_start */
    uint64_t* began_at;         /* of statement 1, 2, … by now_ns(); entry 0 is unused */
};

/* The monotonic clock. */
uint64_t now_ns(void);

/* Ends the program if it fails, as all of these. */
void writer_open(struct writer* writer, char const* dsn, char const* statement);
void writer_start(struct writer* writer);

/* Waits for the last statement. */
void writer_stop(struct writer* writer);

#endif
