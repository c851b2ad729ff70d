#include "sender.h"

#include <stdio.h>
#include <string.h>

/* A change lists each key in brackets, within brackets. */
static unsigned keys_in(char const* event)
{
    unsigned brackets = 0;
    for (; *event; ++event) brackets += *event == '[';
    return brackets - 1;
}

static void send_counter(void)
{
    char head[64], frame[256];
    snprintf(head, sizeof head, "\"type\":\"change\",\"id\":1,\"revision\":%8llu", all.counter);
    size_t const size = write_message(frame, head);
    for (unsigned i = 0; i < all.count; ++i) send_whole(all.members[i], frame, size, true);
}

static void send_prepared(unsigned keys)
{
    unsigned const count = all.own && keys < all.count ? keys : all.count;
    for (unsigned i = 0; i < count; ++i) {
        all.next = all.next + 1 < all.count ? all.next + 1 : 0;
        send_whole(all.members[all.next], all.prepared, all.prepared_size, false);
    }
}

void relay_turn(void)
{
    if (!PQconsumeInput(all.conn)) die(all.conn, "listen");
    unsigned changes = 0, keys = 0;
    for (PGnotify* one; (one = PQnotifies(all.conn)) != NULL; PQfreemem(one)) {
        if (!strstr(one->extra, "\"d\":")) continue;
        ++changes;
        keys += keys_in(one->extra);
    }
    if (changes == 0) return;
    all.counter += changes;
    if (all.prepared_size > 0) send_prepared(keys);
    else send_counter();
}

void relay_open(char const* dsn)
{
    all.conn = open_connection(dsn);
    PGresult* const result = PQexec(all.conn, "listen tally");
    if (PQresultStatus(result) != PGRES_COMMAND_OK) die(all.conn, "listen");
    PQclear(result);
    watch(PQsocket(all.conn));
}
