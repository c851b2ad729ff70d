#include "clients.h"

#include "../bare.h"
#include "writer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { events_at_once = 256, connects_at_once = 64, request_size = 512 };

static _Noreturn void lose(struct client const* client)
{
    fprintf(stderr, "pgtally-bench-crowd: client %u of port %d was refused or cut: %s\n", client->number,
            client->crowd->port, client->stream.start);
    exit(1);
}

/* What a client sends is shorter than any socket's buffer. That the server has gone, reading tells. */
static void send_all(struct client* client, char const* bytes, size_t size)
{
    ssize_t const sent = send(client->fd, bytes, size, MSG_NOSIGNAL);
    if (sent != (ssize_t)size && errno != EPIPE && errno != ECONNRESET) die(NULL, "send");
}

/* A mask of zeros leaves the text as it is. */
static void send_frame(struct client* client, uint8_t opcode, char const* text, size_t size)
{
    char frame[request_size + 8] = {(char)(128 | opcode), (char)(128 | (size < 126 ? size : 126))};
    size_t used = 2;
    if (size >= 126) {
        frame[used++] = (char)(size >> 8);
        frame[used++] = (char)size;
    }
    memcpy(frame + used + 4, text, size);
    send_all(client, frame, used + 4 + size);
}

static unsigned key_of(struct client const* client)
{
    return client->crowd->watches == watch_own ? client->number : 1;
}

static void send_request(struct client* client)
{
    struct crowd const* const crowd = client->crowd;
    char text[request_size], key[32] = "";
    if (crowd->watches != watch_every) snprintf(key, sizeof key, "?key=%u", key_of(client));
    int const size = crowd->sse ? snprintf(text, sizeof text,
                                           "GET /v1/tallies/%s/events%s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
                                           "Accept: text/event-stream\r\n\r\n",
                                           crowd->tally, key, crowd->port)
                                : snprintf(text, sizeof text,
                                           "GET /v1/ws HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nConnection: Upgrade\r\n"
                                           "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                                           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                                           crowd->port);
    send_all(client, text, (size_t)size);
}

static void subscribe(struct client* client)
{
    char text[request_size], keys[48] = "";
    client->subscribed = true;
    if (client->crowd->sse) return;
    if (client->crowd->watches != watch_every) snprintf(keys, sizeof keys, ",\"keys\":[\"%u\"]", key_of(client));
    int const size =
        snprintf(text, sizeof text, "{\"type\":\"subscribe\",\"id\":1,\"tally\":\"%s\"%s}", client->crowd->tally, keys);
    send_frame(client, 1, text, (size_t)size);
}

/* A message may hold the newest of several changes: each of them is there now. */
static void record(struct client* client, uint64_t counter)
{
    struct crowd* const crowd = client->crowd;
    uint64_t const first = client->counter > crowd->base ? client->counter - crowd->base : 0;
    for (uint64_t n = first + 1; n + crowd->base <= counter && n < writer_remembers; ++n)
        histogram_add(&crowd->times, crowd->read_at - crowd->began_at[n]);
}

static void receive_message(void* context, char const* start, uint32_t values)
{
    struct client* const client = context;
    struct crowd* const crowd = client->crowd;
    ++crowd->messages;
    crowd->values += values;
    if (!client->ready && strstr(start, "\"epoch\":")) { /* only snapshots have one */
        client->ready = true;
        ++crowd->ready;
    }
    if (crowd->watches == watch_every) return;
    char const* const at = strstr(start, "\"count\":");
    uint64_t const counter = at ? strtoull(at + 8, NULL, 10) : 0;
    if (crowd->began_at) record(client, counter);
    if (counter > client->counter) client->counter = counter;
}

static void begin_to_connect(struct client* client)
{
    struct crowd* const crowd = client->crowd;
    struct sockaddr_in const address = {AF_INET, htons((uint16_t)crowd->port), {htonl(INADDR_LOOPBACK)}, {0}};
    stream_begin(&client->stream, crowd->sse);
    client->connected = client->subscribed = false;
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (client->fd < 0) die(NULL, "socket");
    setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    if (connect(client->fd, (struct sockaddr const*)&address, sizeof address) != 0 && errno != EINPROGRESS)
        die(NULL, "connect");
    struct epoll_event writes = {EPOLLOUT, {.ptr = client}};
    if (epoll_ctl(crowd->epoll, EPOLL_CTL_ADD, client->fd, &writes) != 0) die(NULL, "epoll_ctl");
}

/* A server that has much to do may cut a client that has no snapshot yet; it comes again, as browsers do. */
static void connect_again(struct client* client)
{
    if (client->ready || client->crowd->again == client->crowd->size) lose(client);
    ++client->crowd->again;
    close(client->fd);
    begin_to_connect(client);
}

static void handle(struct client* client, uint32_t events)
{
    static char buffer[1 << 16];
    struct crowd* const crowd = client->crowd;
    if (!client->connected && events & EPOLLOUT && !(events & EPOLLERR)) {
        client->connected = true;
        struct epoll_event reads = {EPOLLIN, {.ptr = client}};
        if (epoll_ctl(crowd->epoll, EPOLL_CTL_MOD, client->fd, &reads) != 0) die(NULL, "epoll_ctl");
        send_request(client);
        return;
    }
    ssize_t const size = recv(client->fd, buffer, sizeof buffer, MSG_DONTWAIT);
    if (size < 0 && errno == EAGAIN) return;
    if (size <= 0) {
        connect_again(client);
        return;
    }
    crowd->bytes += (uint64_t)size;
    if (crowd->began_at) crowd->read_at = now_ns();
    if (!stream_feed(&client->stream, buffer, (size_t)size, receive_message, client)) lose(client);
    if (!client->subscribed && stream_open(&client->stream)) subscribe(client);
    if (client->stream.pinged) send_frame(client, 10, "", 0); /* the server's pings are empty */
    client->stream.pinged = false;
}

void crowd_connect(struct crowd* crowd)
{
    crowd->epoll = epoll_create1(EPOLL_CLOEXEC);
    crowd->clients = calloc(crowd->size, sizeof *crowd->clients);
    if (crowd->epoll < 0 || !crowd->clients) die(NULL, "a crowd");
    struct epoll_event reads = {EPOLLIN, {.ptr = NULL}};
    if (epoll_ctl(crowd->epoll, EPOLL_CTL_ADD, STDIN_FILENO, &reads) != 0) die(NULL, "epoll_ctl of stdin");
    for (unsigned i = 0; i < crowd->size; ++i) {
        struct client* const client = &crowd->clients[i];
        client->crowd = crowd;
        client->number = i + 1;
        begin_to_connect(client);
        if (i % connects_at_once == 0) crowd_turn(crowd, 0);
    }
}

bool crowd_turn(struct crowd* crowd, int timeout_ms)
{
    struct epoll_event events[events_at_once];
    int const count = epoll_wait(crowd->epoll, events, events_at_once, timeout_ms);
    if (count < 0 && errno != EINTR) die(NULL, "epoll_wait");
    bool told = false;
    for (int i = 0; i < count; ++i) {
        if (events[i].data.ptr) handle(events[i].data.ptr, events[i].events);
        else told = true;
    }
    return told;
}

uint64_t crowd_lowest(struct crowd const* crowd)
{
    uint64_t lowest = UINT64_MAX;
    for (unsigned i = 0; i < crowd->size; ++i)
        if (crowd->clients[i].counter < lowest) lowest = crowd->clients[i].counter;
    return lowest;
}
