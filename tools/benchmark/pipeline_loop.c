/* The leanest loop over libpq's pipeline that keeps a window of lookups in flight, each a transaction
 * of its own: non-blocking, poll, one Sync per query. */
#include "bare.h"

#include <poll.h>

static void send_lookup(PGconn *conn, uint64_t *state)
{
    char key[24];
    char const *const values[1] = {key};
    next_key(state, key);
    if (PQsendQueryPrepared(conn, "lookup", 1, values, NULL, NULL, 1) != 1) die(conn, "send");
    if (PQpipelineSync(conn) != 1) die(conn, "sync");
}

/* Takes all that has come; gives how many lookups ended. Per lookup: a result, a null one, and the Sync. */
static int take_answers(PGconn *conn, int in_flight)
{
    int ended = 0;
    while (ended < in_flight && !PQisBusy(conn)) {
        PGresult *const answer = PQgetResult(conn);
        if (answer == NULL) continue;
        if (PQresultStatus(answer) == PGRES_PIPELINE_SYNC) ++ended;
        else check_lookup(conn, answer);
        PQclear(answer);
    }
    return ended;
}

double pipeline_loop(PGconn *conn, int window, double seconds)
{
    uint64_t state = 1, done = 0;
    int in_flight = 0;
    prepare_lookup(conn);
    if (PQsetnonblocking(conn, 1) != 0 || PQenterPipelineMode(conn) != 1) die(conn, "pipeline mode");
    double const began = now(), end = began + seconds;
    for (;;) {
        int const more = now() < end;
        while (more && in_flight < window) send_lookup(conn, &state), ++in_flight;
        if (in_flight == 0) return (double)done / (now() - began);
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
