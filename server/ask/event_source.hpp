#pragma once

#include <pgtally/server/ask/event_reader.hpp>
#include <pgtally/server/ask/http_client.hpp>

#include <functional>

namespace pgtally::server {

// How a stream of events ended.
struct stream_end {
    http_answer answer{};  // if the server refused it: not 200; 0 if it did not answer
    std::string why{};     // if the connection failed, or the stream cannot be read
    bool unreadable = false;
};

// Requests a stream of Server-Sent Events, and passes each event to `take`, until `take` returns false, or the stream ends, or
// nothing arrives for a while (the server sends a comment every 15 s). `reader` knows where to resume. `token` is sent
// unless it is empty; that of `access` is not read.
//
// Lifetime: `reader` outlives the coroutine.
asio::awaitable<stream_end> follow_events(server_access access, std::string token, std::string target,
                                          event_reader& reader, std::function<bool(sse_event const&)> take);

}  // namespace pgtally::server
