/* The shortest loop that receives notifications and reads each. */
#include "bare.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

static void execute(PGconn *conn, char const *sql)
{
    PGresult *const result = PQexec(conn, sql);
    if (PQresultStatus(result) != PGRES_COMMAND_OK) die(conn, sql);
    PQclear(result);
}

/* The clocks start with the first one, so that the figures leave out the time that the sender needs. */
void notify_loop(char const *dsn, PGconn *conn, long count)
{
    double began = 0, began_cpu = 0;
    long heard = 0, bytes = 0;
    unsigned last_bytes = 0;
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
        if (heard == 0) began = now(), began_cpu = cpu();
        if (PQconsumeInput(conn) != 1) die(conn, "listen");
        while ((each = PQnotifies(conn)) != NULL) {
            size_t const length = strlen(each->extra);
            if (length == 0) die(conn, "notifications");
            bytes += (long)length;
            last_bytes += (unsigned char)each->extra[length - 1];
            ++heard;
            PQfreemem(each);
        }
    }
    if (bytes < count || last_bytes == 0) die(conn, "notifications");
    printf("%.1f %.1f\n", (double)count / (now() - began), (double)count / (cpu() - began_cpu));
    PQclear(PQgetResult(sender));
    PQfinish(sender);
}
