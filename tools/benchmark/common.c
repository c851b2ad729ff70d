#include "bare.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

_Noreturn void die(PGconn* conn, char const* what)
{
    fprintf(stderr, "%s: %s failed: %s", program_invocation_short_name, what,
            conn == NULL ? strerror(errno) : PQerrorMessage(conn));
    if (conn == NULL) fputc('\n', stderr);
    exit(1);
}

static double read_clock(clockid_t which)
{
    struct timespec at;
    clock_gettime(which, &at);
    return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

double now(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

double cpu(void)
{
    return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

PGconn* open_connection(char const* dsn)
{
    PGconn* const conn = PQconnectdb(dsn);
    if (PQstatus(conn) != CONNECTION_OK) die(conn, "connect");
    return conn;
}
