/* The bare server of sender.c: what it has, and what flood and relay do with it. Any failure ends the program. */
#ifndef PGTALLY_BENCH_SENDER_H
#define PGTALLY_BENCH_SENDER_H

#include "../bare.h"

#include <stdbool.h>
#include <stddef.h>

enum { clients_at_most = 100000, message_at_most = 1 << 16 };

struct sender {
    int epoll, listener;
    int members[clients_at_most]; /* those that subscribed */
    unsigned count;
    unsigned long long counter;
    PGconn* conn; /* of relay */
    bool own;
    unsigned next;                       /* of members: whose key changes next, with `own` */
    char prepared[message_at_most + 10]; /* the frame of TEXT */
    size_t prepared_size;                /* 0 without TEXT */
};

extern struct sender all;

/* The loop reads from it. */
void watch(int fd);

/* Returns false if the socket took nothing, and `wait` is false. What it took of a message is always completed. */
bool send_whole(int fd, char const* bytes, size_t size, bool wait);

/* Writes a frame with this head and the counter, and returns its size, at most 130. */
size_t write_message(char* frame, char const* head);

void relay_open(char const* dsn);

/* Reads notifications and sends what they are for. */
void relay_turn(void);

#endif
