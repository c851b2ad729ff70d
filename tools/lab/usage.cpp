#include "options.hpp"

namespace pgtally::lab {

char const* const usage =
    "usage: pgtally-lab [--dsn DSN] [--json] concurrency [--workers N] [--retweets N] [--message ID] [--spread N]\n"
    "                                        [--strategy NAME ...]\n"
    "       pgtally-lab [--dsn DSN] [--json] isolation [--workers N] [--retweets N] [--message ID] [--attempts N]\n"
    "       pgtally-lab [--dsn DSN] [--json] isolation --walk [--message ID]\n"
    "       pgtally-lab [--dsn DSN] [--json] reading [--writers N] [--readers N] [--seconds N] [--refresh TIME]\n"
    "                                        [--history N] [--message ID] [--way NAME ...]\n"
    "                                        [--program FILE | --url URL]\n"
    "       pgtally-lab [--dsn DSN] [--json] anomalies [--message ID]\n"
    "       pgtally-lab [--dsn DSN] [--json] all [--report FILE] [options of the others]\n";

char const* const usage_help = R"(
Repeats the experiments of the article series "PostgreSQL Concurrency" on your PostgreSQL, in a
schema of its own, pgtally_lab, which is dropped at the end, also after Ctrl-C.

concurrency  workers retweet one message at the same time, with one strategy after another: how
             long it takes, what each retweet costs, what fails, and whether the counter is right
             at the end
isolation    the update in place under read committed, repeatable read and serializable, repeated
             after every serialization failure
  --walk     two sessions step by step instead: which one waits, and the answers to each
reading      the cost of a read and the age of its number while writers write: a view that counts, a
             materialized view, a summary table, pgtally over HTTP and embedded
anomalies    errors, provoked on purpose: the race of update-or-insert, the lost update, and what the
             articles' service counts twice or misses, compared with pgtally
all          all of these, including the walk; if one fails, the others still run
  --report   a page of all tables and charts, with the machine and the server, in one HTML file

The database: --dsn, else PGTALLY_DSN, else DATABASE_URL, else libpq's own environment (PGHOST, ...).

)";

}  // namespace pgtally::lab
