/* Lookups by primary key, each in a transaction of its own, in the shortest loops over libpq. */
#include "bare.h"

#include <poll.h>
#include <stdint.h>
#include <stdio.h>

static void prepare(PGconn *conn)
{
    char const *const lookup = "select value from pgtally_bench.item where id = $1::bigint";
    PGresult *const result = PQprepare(conn, "lookup", lookup, 1, NULL);
    if (PQresultStatus(result) != PGRES_COMMAND_OK) die(conn, "prepare");
    PQclear(result);
}

/* A key of the table, as text. */
static void next_key(uint64_t *state, char key[24])
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    snprintf(key, 24, "%u", (unsigned)((*state >> 33) % 100000) + 1);
}

static void check(PGconn *conn, PGresult *answer)
{
    if (PQresultStatus(answer) != PGRES_TUPLES_OK || PQntuples(answer) != 1 || PQgetlength(answer, 0, 0) != 8)
        die(conn, "lookup");
}

/* Waits for a line, which starts a slice. */
static int is_asked(void)
{
    int read;
    while ((read = getchar()) != '\n') {
        if (read == EOF) return 0;
    }
    return 1;
}

static uint64_t block(PGconn *conn, uint64_t *state, double end)
{
    uint64_t done = 0;
    for (; now() < end; ++done) {
        char key[24];
        char const *const values[1] = {key};
        next_key(state, key);
        PGresult *const answer = PQexecPrepared(conn, "lookup", 1, values, NULL, NULL, 1);
        check(conn, answer);
        PQclear(answer);
    }
    return done;
}

void blocking_loop(PGconn *conn, double seconds)
{
    uint64_t state = 1;
    prepare(conn);
    while (is_asked()) {
        double const began = now(), began_cpu = cpu();
        uint64_t const done = block(conn, &state, began + seconds);
        printf("%.1f %.1f\n", (double)done / (now() - began), (double)done / (cpu() - began_cpu));
    }
}

static void send_lookup(PGconn *conn, uint64_t *state)
{
    char key[24];
    char const *const values[1] = {key};
    next_key(state, key);
    if (PQsendQueryPrepared(conn, "lookup", 1, values, NULL, NULL, 1) != 1) die(conn, "send");
    if (PQpipelineSync(conn) != 1) die(conn, "sync");
}

/* Takes every result that has arrived; returns how many lookups ended. A lookup ends with a result, a null one and a Sync. */
static int take_answers(PGconn *conn, int in_flight)
{
    int ended = 0;
    while (ended < in_flight && !PQisBusy(conn)) {
        PGresult *const answer = PQgetResult(conn);
        if (answer == NULL) continue;
        if (PQresultStatus(answer) == PGRES_PIPELINE_SYNC) ++ended;
        else check(conn, answer);
        PQclear(answer);
    }
    return ended;
}

/* Non-blocking, poll, one Sync per query. */
static uint64_t stream(PGconn *conn, uint64_t *state, int window, double end)
{
    uint64_t done = 0;
    int in_flight = 0;
    for (;;) {
        int const more = now() < end;
        while (more && in_flight < window) send_lookup(conn, state), ++in_flight;
        if (in_flight == 0) return done;
        int const unsent = PQflush(conn);
        if (unsent < 0) die(conn, "flush");
        struct pollfd wait = {PQsocket(conn), (short)(unsent ? POLLIN | POLLOUT : POLLIN), 0};
        poll(&wait, 1, -1);
        if (PQconsumeInput(conn) != 1) die(conn, "read");
        int const ended = take_answers(conn, in_flight);
        in_flight -= ended;
        done += (uint64_t)ended;
    }
}

void pipeline_loop(PGconn *conn, int window, double seconds)
{
    uint64_t state = 1;
    prepare(conn);
    if (PQsetnonblocking(conn, 1) != 0 || PQenterPipelineMode(conn) != 1) die(conn, "pipeline mode");
    while (is_asked()) {
        double const began = now(), began_cpu = cpu();
        uint64_t const done = stream(conn, &state, window, began + seconds);
        printf("%.1f %.1f\n", (double)done / (now() - began), (double)done / (cpu() - began_cpu));
    }
}
