#include "stream.h"

#include <string.h>

void stream_begin(struct stream* into, bool sse)
{
    memset(into, 0, sizeof *into);
    into->sse = sse;
}

bool stream_open(struct stream const* from)
{
    return from->part != stream_head && from->part != stream_wrong;
}

static void keep(struct stream* into, char const* bytes, size_t size)
{
    size_t const room = stream_keeps - into->kept;
    size_t const taken = size < room ? size : room;
    memcpy(into->start + into->kept, bytes, taken);
    into->kept = (uint8_t)(into->kept + taken);
}

static void add(struct stream* into, char const* bytes, size_t size)
{
    keep(into, bytes, size);
    uint32_t braces = 0;
    for (size_t i = 0; i < size; ++i) braces += bytes[i] == '}';
    into->braces += braces;
}

/* Each key's counters close a brace, and so do "keys" and the message. */
static void finish(struct stream* into, size_t skip, stream_callback* callback, void* context)
{
    into->start[into->kept] = '\0';
    if (callback) callback(context, into->start + skip, into->braces > 2 ? into->braces - 2 : 0);
    into->kept = 0;
    into->braces = 0;
}

static size_t take_head(struct stream* into, char const* bytes, size_t size)
{
    static char const end[] = "\r\n\r\n";
    for (size_t i = 0; i < size; ++i) {
        if (into->kept < 12) keep(into, bytes + i, 1);
        into->matched = (uint8_t)(bytes[i] == end[into->matched] ? into->matched + 1 : bytes[i] == '\r');
        if (into->matched < 4) continue;
        bool const accepted = memcmp(into->start, into->sse ? "HTTP/1.1 200" : "HTTP/1.1 101", 12) == 0;
        into->part = accepted ? (into->sse ? stream_line : stream_frame) : stream_wrong;
        into->kept = 0;
        return i + 1;
    }
    return size;
}

static size_t take_line(struct stream* into, char const* bytes, size_t size, stream_callback* callback, void* context)
{
    char const* const end = memchr(bytes, '\n', size);
    add(into, bytes, end ? (size_t)(end - bytes) : size);
    if (!end) return size;
    bool const data = into->kept >= 6 && memcmp(into->start, "data: ", 6) == 0;
    finish(into, 6, data ? callback : NULL, context);
    return (size_t)(end - bytes) + 1;
}

static void end_frame(struct stream* into, stream_callback* callback, void* context)
{
    into->got = 0;
    into->part = stream_frame;
    if (into->last && !into->control) finish(into, 0, callback, context);
}

static void take_header_byte(struct stream* into, uint8_t byte, stream_callback* callback, void* context)
{
    into->header[into->got++] = byte;
    if (into->got < 2) return;
    uint8_t const length = into->header[1];
    uint8_t const wanted = length == 127 ? 10 : length == 126 ? 4 : 2;
    if (into->got < wanted) return;
    into->left = wanted == 2 ? length : 0;
    for (uint8_t i = 2; i < wanted; ++i) into->left = into->left << 8 | into->header[i];
    uint8_t const opcode = into->header[0] & 15;
    into->last = into->header[0] & 128;
    into->control = opcode >= 8;
    if (opcode == 9) into->pinged = true;
    into->part = opcode == 8 || length > 127 ? stream_wrong : stream_payload;
    if (into->part == stream_payload && into->left == 0) end_frame(into, callback, context);
}

static size_t take_payload(struct stream* into, char const* bytes, size_t size, stream_callback* callback,
                           void* context)
{
    size_t const taken = size < into->left ? size : (size_t)into->left;
    if (!into->control) add(into, bytes, taken);
    into->left -= taken;
    if (into->left == 0) end_frame(into, callback, context);
    return taken;
}

bool stream_feed(struct stream* into, char const* bytes, size_t size, stream_callback* callback, void* context)
{
    while (size > 0 && into->part != stream_wrong) {
        size_t taken = 1;
        switch (into->part) {
            case stream_head: taken = take_head(into, bytes, size); break;
            case stream_line: taken = take_line(into, bytes, size, callback, context); break;
            case stream_payload: taken = take_payload(into, bytes, size, callback, context); break;
            default: take_header_byte(into, (uint8_t)*bytes, callback, context); break;
        }
        bytes += taken;
        size -= taken;
    }
    return into->part != stream_wrong;
}
