#pragma once

#include <pgtally/server/http/client_stream.hpp>
#include <pgtally/server/http/traffic.hpp>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace pgtally::server {

// What the socket has not taken of the one message that is being written to a client. Empty, as a rule: the socket takes
// a message at once, and nothing is copied.
class unsent {
public:
    bool empty() const noexcept { return head_.empty() && !tail_; }

    // Writes `head` and then `tail`, and keeps what the socket does not take. Precondition: empty.
    io_outcome write(client_stream& to, std::string_view head, std::shared_ptr<std::string const> const& tail);

    // Writes more of it.
    io_outcome go_on(client_stream& to);

private:
    std::string head_{};
    std::shared_ptr<std::string const> tail_{};
    std::size_t head_at_ = 0, tail_at_ = 0;  // the first bytes that are left
};

}  // namespace pgtally::server
