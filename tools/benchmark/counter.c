/* The shortest loops that receive events as pgtally does, and only count them.
 *
 *   pgtally-bench-counter notify|wal DSN
 *
 * Prints a line when it listens. For each line of input, a number, it receives so many events from then on, and prints
 * its CPU seconds and the bytes of their payloads. Barriers of servers, which come by the same way, are not counted.
 */
#include "bare.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void execute(PGconn *conn, char const *sql, ExecStatusType wanted)
{
    PGresult *const result = PQexec(conn, sql);
    if (PQresultStatus(result) != wanted) die(conn, sql);
    PQclear(result);
}

static long size_of_event(char const *payload, size_t size)
{
    return size > 5 && memcmp(payload, "{\"t\":", 5) == 0 ? (long)size : 0;
}

static void wait_for_bytes(PGconn *conn)
{
    struct pollfd wait = {PQsocket(conn), POLLIN, 0};
    poll(&wait, 1, -1);
    if (PQconsumeInput(conn) != 1) die(conn, "receive");
}

static long notifications(PGconn *conn, long count)
{
    long bytes = 0;
    while (count > 0) {
        PGnotify *each;
        wait_for_bytes(conn);
        while ((each = PQnotifies(conn)) != NULL) {
            long const size = size_of_event(each->extra, strlen(each->extra));
            bytes += size;
            count -= size > 0;
            PQfreemem(each);
        }
    }
    return bytes;
}

/* A logical message: 'w' and three times 8 bytes, 'M', flags, 8 bytes, the prefix, 4 bytes with its size, the payload. */
static long messages(PGconn *conn, long count)
{
    long bytes = 0;
    while (count > 0) {
        char *data;
        int const size = PQgetCopyData(conn, &data, 1);
        if (size < 0) die(conn, "receive");
        if (size == 0) {
            wait_for_bytes(conn);
            continue;
        }
        size_t const prefix = 25 + 1 + 1 + 8, payload = prefix + sizeof "tally" + 4;
        if ((size_t)size > payload && data[0] == 'w' && data[25] == 'M' && strcmp(data + prefix, "tally") == 0) {
            long const event = size_of_event(data + payload, (size_t)size - payload);
            bytes += event;
            count -= event > 0;
        }
        PQfreemem(data);
    }
    return bytes;
}

static PGconn *follow(char const *dsn)
{
    char text[2000];
    /* Nothing answers the sender's questions between two lines of input. */
    snprintf(text, sizeof text, "%s replication=database options='-c wal_sender_timeout=0'", dsn);
    PGconn *const conn = open_connection(text);
    execute(conn, "CREATE_REPLICATION_SLOT pgtally_bench TEMPORARY LOGICAL pgoutput NOEXPORT_SNAPSHOT", PGRES_TUPLES_OK);
    execute(conn, "START_REPLICATION SLOT pgtally_bench LOGICAL 0/0 (proto_version '1', publication_names 'tally', messages 'true')",
            PGRES_COPY_BOTH);
    return conn;
}

int main(int argc, char **argv)
{
    char line[40];
    if (argc != 3 || (strcmp(argv[1], "notify") != 0 && strcmp(argv[1], "wal") != 0)) {
        fputs("usage: pgtally-bench-counter notify|wal DSN\n", stderr);
        return 2;
    }
    int const by_wal = strcmp(argv[1], "wal") == 0;
    PGconn *const conn = by_wal ? follow(argv[2]) : open_connection(argv[2]);
    if (!by_wal) execute(conn, "listen tally", PGRES_COMMAND_OK);
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    puts("{\"listens\": true}");
    while (fgets(line, sizeof line, stdin) != NULL) {
        double const began = cpu();
        long const bytes = by_wal ? messages(conn, atol(line)) : notifications(conn, atol(line));
        printf("{\"cpu\": %.6f, \"bytes\": %ld}\n", cpu() - began, bytes);
    }
    PQfinish(conn);
    return 0;
}
