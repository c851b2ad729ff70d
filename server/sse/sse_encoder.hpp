#pragma once

#include <pgtally/server/push/push.hpp>
#include <pgtally/server/push/shared_changes.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

namespace pgtally::server {

// A piece of a stream of events: the text is `head`, then `tail`, then `end`.
struct sse_message {
    std::string head{};
    std::shared_ptr<std::string const> tail{};
    std::string_view end{};
    std::size_t changes = 0;      // values that it pushes
    std::uint64_t conflated = 0;  // changes that newer ones replaced before they were sent

    std::size_t size() const noexcept { return head.size() + (tail ? tail->size() : 0) + end.size(); }
};

// An event: its data is one line, the WebSocket's message without `type` and `id`. A change and the last part of a snapshot
// have `id:`, the position that a client resumes from.
sse_message encode_event(push const& what, shared_changes& shared);

// `retry:`, after which time a client reconnects.
sse_message encode_retry(std::chrono::milliseconds after);

sse_message encode_comment();

}  // namespace pgtally::server
