/* Many clients of one server on loopback, on one epoll loop: they connect, subscribe and count what they receive. */
#ifndef PGTALLY_BENCH_CLIENTS_H
#define PGTALLY_BENCH_CLIENTS_H

#include "histogram.h"
#include "stream.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum watches { watch_one, watch_own, watch_every }; /* key 1; key 1, 2, … of each; all keys */

struct client {
    int fd;
    bool connected, subscribed, ready;
    uint64_t counter; /* the newest value of "count" */
    struct stream stream;
    struct crowd* crowd;
    unsigned number; /* from 1 */
};

struct crowd {
    int port, epoll;
    bool sse;
    enum watches watches;
    char const* tally;
    unsigned size, ready;
    unsigned again; /* connections that were cut before the snapshot; as many as clients at most */
    struct client* clients;

    uint64_t values, messages, bytes; /* received; the caller resets them */

    /* The time of each change to each client: `base` is the counter before statement 1, which began at began_at[1].
     * Without began_at no time is recorded. */
    uint64_t const* began_at;
    uint64_t base, read_at;
    struct histogram times;
};

/* Begins to connect all. Ends the program if it fails, as all of these. */
void crowd_connect(struct crowd* crowd);

/* Waits up to so long and handles what there is. Returns whether stdin has a line or ended. */
bool crowd_turn(struct crowd* crowd, int timeout_ms);

/* The lowest counter of all clients. */
uint64_t crowd_lowest(struct crowd const* crowd);

#endif
