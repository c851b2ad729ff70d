#include "writer.h"

#include "../bare.h"

#include <stdlib.h>
#include <time.h>

enum { second = 1000000000 };

uint64_t now_ns(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (uint64_t)at.tv_sec * second + (uint64_t)at.tv_nsec;
}

static void sleep_until(uint64_t at)
{
    struct timespec const until = {(time_t)(at / second), (long)(at % second)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) != 0) {
    }
}

/* Statements that are late are made up for without pauses, as they would come from many clients of a database. */
static void* run(void* argument)
{
    struct writer* const writer = argument;
    uint64_t const start = now_ns();
    for (uint64_t n = 1; n < writer_remembers && !atomic_load(&writer->stop); ++n) {
        if (writer->rate > 0) sleep_until(start + (uint64_t)((double)(n - 1) * second / writer->rate));
        writer->began_at[n] = now_ns();
        atomic_store(&writer->begun, n);
        PGresult* const result = PQexecPrepared(writer->conn, "write", 0, NULL, NULL, NULL, 0);
        if (PQresultStatus(result) != PGRES_COMMAND_OK) die(writer->conn, "the statement");
        PQclear(result);
    }
    return NULL;
}

void writer_open(struct writer* writer, char const* dsn, char const* statement)
{
    writer->conn = open_connection(dsn);
    writer->began_at = calloc(writer_remembers, sizeof *writer->began_at);
    PGresult* const result = PQprepare(writer->conn, "write", statement, 0, NULL);
    if (PQresultStatus(result) != PGRES_COMMAND_OK || !writer->began_at) die(writer->conn, "prepare");
    PQclear(result);
}

void writer_start(struct writer* writer)
{
    atomic_store(&writer->stop, false);
    atomic_store(&writer->begun, 0);
    if (pthread_create(&writer->thread, NULL, run, writer) != 0) die(NULL, "a thread");
}

void writer_stop(struct writer* writer)
{
    atomic_store(&writer->stop, true);
    pthread_join(writer->thread, NULL);
}
