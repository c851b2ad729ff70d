#pragma once

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <optional>
#include <string_view>

namespace pgtally::server {

// The body of an answer that is produced over time, such as a large file.
//
// Model: the session writes the head at once, then each piece that `next` returns, and calls `next` again after the
// client has taken the piece. So at most one piece is in memory, and a slow client slows the source.
class body_source {
public:
    virtual ~body_source() = default;

    // The size of the whole body in bytes, if it is known. Otherwise the body is chunked; for HTTP/1.0, it ends with
    // the connection.
    virtual std::optional<std::uint64_t> size() const noexcept = 0;

    // The next piece; empty at the end. It is valid until the next call.
    //
    // Errors: if it throws, or if the pieces have fewer bytes than `size`, the session closes the connection without
    // the end of the body, so that the client sees that the body is incomplete.
    virtual boost::asio::awaitable<std::string_view> next() = 0;

    // Called when the client or the server ends. A waiting `next` then returns the end at once, and so do later calls.
    // A source that does not wait may continue: the session's deadlines bound it.
    virtual void stop() noexcept {}
};

}  // namespace pgtally::server
