#pragma once

#include <pgtally/server/ask/event_source.hpp>

#include <string>

namespace pgtally::server {

// What `watch` does after its stream has ended.
enum class follow_step {
    ask_again,       // after a pause: the server is full, starts, ends, or was lost
    wait_for_token,  // ask again when the file of the token holds another one
    give_up,         // waiting does not help
};

// `followed`: the server has sent events before, in this or an earlier stream.
follow_step after(stream_end const& end, bool followed, token_source const& token) noexcept;

}  // namespace pgtally::server
