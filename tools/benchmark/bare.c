/* The work of pgtally-bench done with libpq alone: what it is compared with. Prints numbers.
 *
 *   pgtally-bench-bare pipeline DSN WINDOW SECONDS    lookups/s, in pipeline mode
 *   pgtally-bench-bare blocking DSN SECONDS           lookups/s, by PQexecPrepared
 *   pgtally-bench-bare listen DSN COUNT               notifications/s, and per second of its own CPU time
 */
#include "bare.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

_Noreturn void die(PGconn *conn, char const *what)
{
    fprintf(stderr, "pgtally-bench-bare: %s failed: %s", what, conn == NULL ? "no memory\n" : PQerrorMessage(conn));
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

PGconn *open_connection(char const *dsn)
{
    PGconn *const conn = PQconnectdb(dsn);
    if (PQstatus(conn) != CONNECTION_OK) die(conn, "connect");
    return conn;
}

static void execute(PGconn *conn, char const *sql)
{
    PGresult *const result = PQexec(conn, sql);
    if (PQresultStatus(result) != PGRES_COMMAND_OK) die(conn, sql);
    PQclear(result);
}

void prepare_lookup(PGconn *conn)
{
    PGresult *const result = PQprepare(conn, "lookup", LOOKUP, 1, NULL);
    if (PQresultStatus(result) != PGRES_COMMAND_OK) die(conn, "prepare");
    PQclear(result);
}

void next_key(uint64_t *state, char key[24])
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    snprintf(key, 24, "%u", (unsigned)((*state >> 33) % ITEMS) + 1);
}

void check_lookup(PGconn *conn, PGresult *answer)
{
    if (PQresultStatus(answer) != PGRES_TUPLES_OK || PQntuples(answer) != 1 || PQgetlength(answer, 0, 0) != 8)
        die(conn, "lookup");
}

static double blocking_loop(PGconn *conn, double seconds)
{
    uint64_t state = 1, done = 0;
    double const began = now(), end = began + seconds;
    prepare_lookup(conn);
    while (now() < end) {
        char key[24];
        char const *const values[1] = {key};
        next_key(&state, key);
        PGresult *const answer = PQexecPrepared(conn, "lookup", 1, values, NULL, NULL, 1);
        check_lookup(conn, answer);
        PQclear(answer);
        ++done;
    }
    return (double)done / (now() - began);
}

/* The clocks begin with the first one: what the sender needs is not the receiver's. */
static void notify_loop(char const *dsn, PGconn *conn, long count)
{
    double began = 0, began_cpu = 0;
    long heard = 0, bytes = 0;
    char sql[200];
    execute(conn, "listen pgtally_bench");
    PGconn *const sender = open_connection(dsn);
    snprintf(sql, sizeof sql, "select count(pg_notify('pgtally_bench', 'a payload of some bytes ' || i)) "
             "from generate_series(1, %ld) i", count);
    if (PQsendQuery(sender, sql) != 1) die(sender, "send");
    while (heard < count) {
        struct pollfd wait = {PQsocket(conn), POLLIN, 0};
        PGnotify *each;
        poll(&wait, 1, -1);
        if (heard == 0) began = now(), began_cpu = read_clock(CLOCK_PROCESS_CPUTIME_ID);
        if (PQconsumeInput(conn) != 1) die(conn, "listen");
        while ((each = PQnotifies(conn)) != NULL) {
            bytes += (long)strlen(each->extra);
            ++heard;
            PQfreemem(each);
        }
    }
    if (bytes < count) die(conn, "notifications");
    printf("%.1f %.1f\n", (double)count / (now() - began),
           (double)count / (read_clock(CLOCK_PROCESS_CPUTIME_ID) - began_cpu));
    PQclear(PQgetResult(sender));
    PQfinish(sender);
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fputs("usage: pgtally-bench-bare pipeline DSN WINDOW SECONDS | blocking DSN SECONDS | listen DSN COUNT\n", stderr);
        return 2;
    }
    PGconn *const conn = open_connection(argv[2]);
    if (strcmp(argv[1], "pipeline") == 0 && argc == 5 && atoi(argv[3]) > 0)
        printf("%.1f\n", pipeline_loop(conn, atoi(argv[3]), atof(argv[4])));
    else if (strcmp(argv[1], "blocking") == 0)
        printf("%.1f\n", blocking_loop(conn, atof(argv[3])));
    else if (strcmp(argv[1], "listen") == 0 && atol(argv[3]) > 0)
        notify_loop(argv[2], conn, atol(argv[3]));
    else
        return 2;
    PQfinish(conn);
    return 0;
}
