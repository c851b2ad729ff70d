/* Many clients of a server of pgtally, or of pgtally-bench-sender, and a writer beside them.
 *
 *   pgtally-bench-crowd --port PORT --clients N [--tally NAME] [--keys one|own|every] [--sse]
 *                       [--dsn DSN --statement SQL] [--pid PID]
 *
 * The clients connect to 127.0.0.1 and subscribe. Once all have their snapshot it prints {"ready": SECONDS}, how many
 * had to connect "again", and what they received. For each line of stdin, SECONDS [RATE], the writer runs the statement for so long, RATE times a second or as often as it can;
 * the line 0 ends that. Then a line says what all clients received: {"values", "messages", "bytes", "seconds"}, the CPU
 * time of process PID: "cpu", and how many statements there were: "changes". With a RATE it has the time from before a
 * statement until a client had read it, "p50", "p99", "p999", "max" in seconds, over all statements and clients. For that
 * each statement adds 1 to "count" of key 1, and nobody else does.
 */
#include "../bare.h"
#include "clients.h"
#include "writer.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static double const patience = 60; /* seconds until all have connected */
static double const tail = 10;     /* until all have what was written last */
static double const warming = 0.1; /* of a writer that writes what it can */

static _Noreturn void refuse(char const* why)
{
    fprintf(stderr, "pgtally-bench-crowd: %s\n", why);
    exit(2);
}

/* The CPU seconds of a process with one thread. */
static double cpu_of(int pid)
{
    if (pid == 0) return 0;
    char path[64];
    unsigned long long used = 0;
    snprintf(path, sizeof path, "/proc/%d/schedstat", pid);
    FILE* const file = fopen(path, "r");
    if (!file || fscanf(file, "%llu", &used) != 1) die(NULL, path);
    fclose(file);
    return (double)used / 1e9;
}

static double seconds_now(void)
{
    return (double)now_ns() / 1e9;
}

static void await_all(struct crowd* crowd)
{
    double const began = seconds_now();
    crowd_connect(crowd);
    while (crowd->ready < crowd->size) {
        crowd_turn(crowd, 100);
        if (seconds_now() - began > patience) refuse("not all clients have their snapshot within 60 s");
    }
    printf("{\"ready\": %.4f, \"again\": %u, \"values\": %llu, \"messages\": %llu}\n", seconds_now() - began,
           crowd->again, (unsigned long long)crowd->values, (unsigned long long)crowd->messages);
}

/* Until all have the last change, if it can be told by the counter; else until nothing comes any more. */
static void drain(struct crowd* crowd, uint64_t last)
{
    double const until = seconds_now() + tail;
    while (seconds_now() < until) {
        if (crowd->began_at && crowd_lowest(crowd) >= last) return;
        uint64_t const before = crowd->bytes;
        crowd_turn(crowd, 50);
        if (!crowd->began_at && crowd->bytes == before) return;
    }
    if (crowd->began_at) refuse("not all clients have the last change within 10 s");
}

/* Returns when the time is over, or at a line of stdin. */
static void run_until(struct crowd* crowd, double until)
{
    for (double left; (left = until - seconds_now()) > 0;) {
        if (crowd_turn(crowd, (int)(left * 1000) + 1)) return;
    }
}

static void print_slice(struct crowd const* crowd, uint64_t changes)
{
    printf(", \"changes\": %llu", (unsigned long long)changes);
    if (!crowd->began_at) return;
    struct {
        char const* name;
        double share;
    } const marks[] = {{"p50", .5}, {"p99", .99}, {"p999", .999}, {"max", 1}};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; ++i)
        printf(", \"%s\": %.9f", marks[i].name, (double)histogram_at(&crowd->times, marks[i].share) / 1e9);
}

static void run_slice(struct crowd* crowd, struct writer* writer, double seconds, int pid)
{
    crowd->began_at = writer->rate > 0 && crowd->watches == watch_one ? writer->began_at : NULL;
    memset(&crowd->times, 0, sizeof crowd->times);
    crowd->base = crowd_lowest(crowd);
    if (writer->conn) writer_start(writer);
    if (writer->rate <= 0) run_until(crowd, seconds_now() + warming);
    crowd->values = crowd->messages = crowd->bytes = 0;
    double const began = seconds_now(), cpu_began = cpu_of(pid);
    run_until(crowd, began + seconds);
    double const took = seconds_now() - began, cpu = cpu_of(pid) - cpu_began;
    printf("{\"values\": %llu, \"messages\": %llu, \"bytes\": %llu, \"seconds\": %.6f, \"cpu\": %.6f",
           (unsigned long long)crowd->values, (unsigned long long)crowd->messages, (unsigned long long)crowd->bytes,
           took, cpu);
    if (writer->conn) {
        writer_stop(writer);
        uint64_t const changes = atomic_load(&writer->begun);
        drain(crowd, crowd->base + changes);
        print_slice(crowd, changes);
    }
    puts("}");
}

static enum watches watches_of(char const* name)
{
    if (strcmp(name, "one") == 0) return watch_one;
    if (strcmp(name, "own") == 0) return watch_own;
    if (strcmp(name, "every") == 0) return watch_every;
    refuse("--keys takes one, own or every");
}

int main(int argc, char** argv)
{
    static struct option const options[] = {
        {"port", 1, NULL, 'p'},      {"clients", 1, NULL, 'c'}, {"tally", 1, NULL, 't'},
        {"keys", 1, NULL, 'k'},      {"sse", 0, NULL, 's'},     {"dsn", 1, NULL, 'd'},
        {"statement", 1, NULL, 'q'}, {"pid", 1, NULL, 'i'},     {NULL, 0, NULL, 0}};
    static struct crowd crowd = {.tally = "likes"};
    static struct writer writer;
    char const *dsn = NULL, *statement = NULL;
    int pid = 0;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (option) {
            case 'p': crowd.port = atoi(optarg); break;
            case 'c': crowd.size = (unsigned)atoi(optarg); break;
            case 't': crowd.tally = optarg; break;
            case 'k': crowd.watches = watches_of(optarg); break;
            case 's': crowd.sse = true; break;
            case 'd': dsn = optarg; break;
            case 'q': statement = optarg; break;
            case 'i': pid = atoi(optarg); break;
            default: return 2;
        }
    }
    if (crowd.port <= 0 || crowd.size == 0 || crowd.size > 100000)
        refuse("it takes --port and --clients, up to 100000");
    if (!dsn != !statement) refuse("--dsn and --statement belong together");
    if (dsn) writer_open(&writer, dsn, statement);
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    await_all(&crowd);
    char line[64];
    while (true) {
        while (!crowd_turn(&crowd, -1)) {
        }
        ssize_t const size = read(STDIN_FILENO, line, sizeof line - 1);
        if (size <= 0) return 0;
        line[size] = '\0';
        double seconds = 0;
        writer.rate = 0;
        if (sscanf(line, "%lf %lf", &seconds, &writer.rate) >= 1 && seconds > 0)
            run_slice(&crowd, &writer, seconds, pid);
    }
}
