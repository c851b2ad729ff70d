/* What a server of counters must do at least, for comparison: it accepts WebSockets and writes prepared bytes to all of
 * them, with one send each, on one epoll loop. It reads nothing of what clients ask for.
 *
 *   pgtally-bench-sender flood TEXT            for each line of stdin, a number of seconds: sends the text as a message to
 *                                              all, over and over, for so long, and prints {}
 *   pgtally-bench-sender relay DSN             listens to channel tally: after each reading of notifications it adds the
 *                                              number of those that are changes to a counter, and sends a change with it
 *   pgtally-bench-sender relay DSN all TEXT    the same, but it sends the text; a client that is full is passed over
 *   pgtally-bench-sender relay DSN own TEXT    the same, but for each key of a change one client, in turn, is sent the text
 *
 * It listens on 127.0.0.1 and prints {"port": PORT}. The crowd is its only client: whatever is unusual ends it.
 */
#include "sender.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { backlog = 4096 };

struct sender all;

void watch(int fd)
{
    struct epoll_event reads = {EPOLLIN, {.fd = fd}};
    if (epoll_ctl(all.epoll, EPOLL_CTL_ADD, fd, &reads) != 0) die(NULL, "epoll_ctl");
}

static void open_listener(void)
{
    struct sockaddr_in address = {AF_INET, 0, {htonl(INADDR_LOOPBACK)}, {0}};
    socklen_t size = sizeof address;
    all.listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (all.listener < 0 || bind(all.listener, (struct sockaddr*)&address, size) != 0 ||
        listen(all.listener, backlog) != 0 || getsockname(all.listener, (struct sockaddr*)&address, &size) != 0)
        die(NULL, "listen");
    watch(all.listener);
    printf("{\"port\": %d}\n", ntohs(address.sin_port));
}

/* Returns the size of the frame. */
static size_t write_frame(char* into, char const* text, size_t size)
{
    size_t used = 2;
    into[0] = (char)(128 | 1);
    into[1] = (char)(size < 126 ? size : 126);
    if (size >= 126) {
        into[used++] = (char)(size >> 8);
        into[used++] = (char)size;
    }
    memcpy(into + used, text, size);
    return used + size;
}

static bool wait_until_writable(int fd, int timeout_ms)
{
    struct pollfd one = {fd, POLLOUT, 0};
    return poll(&one, 1, timeout_ms) > 0;
}

bool send_whole(int fd, char const* bytes, size_t size, bool wait)
{
    for (size_t sent = 0; sent < size;) {
        ssize_t const now_sent = send(fd, bytes + sent, size - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (now_sent >= 0) {
            sent += (size_t)now_sent;
            continue;
        }
        if (errno == EPIPE || errno == ECONNRESET) return true; /* it left, which reading tells */
        if (errno != EAGAIN) die(NULL, "send");
        if (sent == 0 && !wait) return false;
        wait_until_writable(fd, -1);
    }
    return true;
}

size_t write_message(char* frame, char const* head)
{
    char text[128];
    int const size = snprintf(text, sizeof text, "{%s,\"keys\":{\"1\":{\"count\":%8llu}}}", head, all.counter);
    return write_frame(frame, text, (size_t)size);
}

static void accept_clients(void)
{
    for (int fd; (fd = accept4(all.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)); /* as every server of WebSockets does */
        watch(fd);
    }
    if (errno != EAGAIN) die(NULL, "accept");
}

static void drop(int fd)
{
    for (unsigned i = 0; i < all.count; ++i) {
        if (all.members[i] != fd) continue;
        all.members[i] = all.members[--all.count];
        break;
    }
    close(fd);
}

/* The first thing that a client sends is the upgrade, the second one its subscription, and then it may leave. */
static void read_client(int fd)
{
    static char const accepted[] =
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    char bytes[2048], frame[256];
    ssize_t const size = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (size <= 0) {
        drop(fd);
        return;
    }
    if (bytes[0] == 'G') {
        send_whole(fd, accepted, sizeof accepted - 1, true);
        return;
    }
    send_whole(fd, frame, write_message(frame, "\"type\":\"snapshot\",\"id\":1,\"epoch\":\"bare\",\"state\":\"live\""),
               true);
    if (all.count == clients_at_most) exit(2);
    all.members[all.count++] = fd;
}

static void flood(double seconds)
{
    for (double const until = now() + seconds; now() < until;) {
        bool sent = false;
        for (unsigned i = 0; i < all.count; ++i)
            sent |= send_whole(all.members[i], all.prepared, all.prepared_size, false);
        if (!sent) wait_until_writable(all.members[0], 1);
    }
    puts("{}");
}

static void read_line(void)
{
    char line[64];
    ssize_t const size = read(STDIN_FILENO, line, sizeof line - 1);
    if (size <= 0) exit(0);
    line[size] = '\0';
    flood(atof(line));
}

static void turn(void)
{
    struct epoll_event events[256];
    int const count = epoll_wait(all.epoll, events, 256, -1);
    for (int i = 0; i < count; ++i) {
        int const fd = events[i].data.fd;
        if (fd == all.listener) accept_clients();
        else if (fd == STDIN_FILENO) read_line();
        else if (all.conn && fd == PQsocket(all.conn)) relay_turn();
        else read_client(fd);
    }
}

static void prepare(char const* text)
{
    if (strlen(text) >= message_at_most) exit(2);
    all.prepared_size = write_frame(all.prepared, text, strlen(text));
}

int main(int argc, char** argv)
{
    bool const floods = argc == 3 && strcmp(argv[1], "flood") == 0;
    bool const relays = (argc == 3 || argc == 5) && strcmp(argv[1], "relay") == 0;
    if (!floods && !relays) {
        fputs("usage: pgtally-bench-sender flood TEXT | relay DSN [all|own TEXT]\n", stderr);
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    all.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (all.epoll < 0) die(NULL, "epoll_create");
    watch(STDIN_FILENO);
    if (relays) relay_open(argv[2]);
    if (argc == 5) all.own = strcmp(argv[3], "own") == 0;
    if (floods || argc == 5) prepare(argv[argc - 1]);
    open_listener();
    while (true) turn();
}
