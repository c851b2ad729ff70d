#pragma once

#include <pgtally/server/base/net.hpp>
#include <pgtally/server/http/request.hpp>
#include <pgtally/server/http/response.hpp>

#include <boost/asio/awaitable.hpp>

#include <memory>
#include <optional>

namespace pgtally::server {

struct upgrade;

// Who answers requests. The sessions know it by this interface only.
class request_handler {
public:
    // Answers every request, and throws for none. `asked` lives until the answer is there.
    virtual asio::awaitable<response> answer(request const& asked) = 0;

    // Of a request to become a WebSocket: nothing if there is no WebSocket at its address, which `answer` then says;
    // status 101 if it may; else why it may not.
    virtual std::optional<response> judge_upgrade(request const& asked) const = 0;

protected:
    ~request_handler() = default;
};

// Who serves a connection once it is a WebSocket.
class upgrade_handler {
public:
    // Serves it to its end.
    virtual asio::awaitable<void> serve(std::unique_ptr<upgrade> accepted) = 0;

protected:
    ~upgrade_handler() = default;
};

}  // namespace pgtally::server
