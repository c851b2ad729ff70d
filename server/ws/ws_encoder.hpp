#pragma once

#include <pgtally/server/push/push.hpp>
#include <pgtally/server/push/shared_changes.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace pgtally::server {

// A message to a WebSocket's client: the text is `head` followed by `tail`.
struct ws_message {
    std::string head;
    std::shared_ptr<std::string const> tail;
    std::size_t changes = 0;      // values that it pushes
    std::uint64_t conflated = 0;  // changes that newer ones replaced before they were sent

    std::size_t size() const noexcept { return head.size() + (tail ? tail->size() : 0); }

    // Makes the message empty and keeps its storage.
    void clear() noexcept
    {
        head.clear();
        tail.reset();
        changes = conflated = 0;
    }
};

// The subprotocol `pgtally.v1`: what the server pushes, in place of what `out` is, and what it answers to the client's
// messages.
void encode(push const& what, shared_changes& shared, ws_message& out);
std::string encode_error(refusal const& why);
std::string encode_unsubscribed(std::string_view id);
std::string encode_pong();

// `until`: the end of the token; null if nothing ends.
std::string encode_authenticated(std::optional<std::chrono::sys_seconds> until);

}  // namespace pgtally::server
