/* Does the work of pgtally-bench with libpq alone, for comparison. Prints numbers.
 *
 *   pgtally-bench-bare blocking DSN SECONDS           for each line of stdin: lookups/s, and per second of its own
 *                                                     CPU time, by PQexecPrepared
 *   pgtally-bench-bare pipeline DSN WINDOW SECONDS    the same in pipeline mode
 *   pgtally-bench-bare listen DSN COUNT               notifications/s, and per second of its own CPU time
 */
#include "bare.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
    if (argc < 4) {
        fputs("usage: pgtally-bench-bare blocking DSN SECONDS | pipeline DSN WINDOW SECONDS | listen DSN COUNT\n", stderr);
        return 2;
    }
    PGconn *const conn = open_connection(argv[2]);
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    if (strcmp(argv[1], "pipeline") == 0 && argc == 5 && atoi(argv[3]) > 0)
        pipeline_loop(conn, atoi(argv[3]), atof(argv[4]));
    else if (strcmp(argv[1], "blocking") == 0)
        blocking_loop(conn, atof(argv[3]));
    else if (strcmp(argv[1], "listen") == 0 && atol(argv[3]) > 0)
        notify_loop(argv[2], conn, atol(argv[3]));
    else
        return 2;
    PQfinish(conn);
    return 0;
}
