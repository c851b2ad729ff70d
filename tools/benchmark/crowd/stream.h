/* What one client receives: an HTTP head, then frames of a WebSocket or Server-Sent Events. Does no I/O. */
#ifndef PGTALLY_BENCH_STREAM_H
#define PGTALLY_BENCH_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { stream_keeps = 192 }; /* bytes of the beginning of a message */

enum stream_part { stream_head, stream_frame, stream_payload, stream_line, stream_wrong };

struct stream {
    bool sse;
    uint8_t part;            /* enum stream_part */
    uint8_t matched;         /* of the blank line that ends the head */
    bool last, control;      /* of the frame: it ends its message; it is no part of one */
    bool pinged;             /* the caller owes a pong, and resets this */
    uint8_t got, header[10]; /* of a frame's header */
    uint8_t kept;
    char start[stream_keeps + 1]; /* of the message, so far; ends with NUL */
    uint32_t braces;              /* that the message closed so far */
    uint64_t left;                /* bytes of the frame that are still to come */
};

/* A message is complete: its beginning, and how many values of keys it holds. */
typedef void stream_callback(void* context, char const* start, uint32_t values);

void stream_begin(struct stream* into, bool sse);

/* The head is complete, and the server accepted. */
bool stream_open(struct stream const* from);

/* Takes bytes as they come. Returns false once the server refused or closed, or what it sends cannot be read. */
bool stream_feed(struct stream* into, char const* bytes, size_t size, stream_callback* callback, void* context);

#endif
