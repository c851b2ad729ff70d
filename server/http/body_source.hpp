#pragma once

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <optional>
#include <string_view>

namespace pgtally::server {

// The body of an answer that is produced over time: a large file, or events that come.
//
// Model: the session writes the head at once, then each piece that `next` returns, and calls `next` again when the
// client took the piece. So at most one piece is in memory, and a slow client slows the source.
class body_source {
public:
    virtual ~body_source() = default;

    // The bytes of the whole body, if they are known. Otherwise the body is chunked; HTTP/1.0 ends it by closing.
    virtual std::optional<std::uint64_t> size() const noexcept = 0;

    // The next piece; empty at the end. It is valid until the next call.
    //
    // Errors: if it throws, or if the pieces are fewer bytes than `size`, the session closes the connection without
    // the body's end, so that the client sees that it does not have all of it.
    virtual boost::asio::awaitable<std::string_view> next() = 0;

    // The client or the server ends. A `next` that waits returns the end now, and so do later calls. A source that does
    // not wait may go on: the session's deadlines bound it.
    virtual void stop() noexcept {}
};

}  // namespace pgtally::server
