#pragma once

#include <pgtally/server/base/net.hpp>
#include <pgtally/server/http/request.hpp>
#include <pgtally/server/http/response.hpp>

#include <boost/asio/awaitable.hpp>

#include <optional>

namespace pgtally::server {

struct upgrade;

// Answers requests. The sessions know the API only by this interface.
class request_handler {
public:
    // Answers every request, and never throws. Lifetime: `asked` is valid until the answer is complete.
    virtual asio::awaitable<response> answer(request& asked) = 0;

    // The most bytes that the body of such a request may have.
    virtual std::size_t body_limit(method verb, std::string_view target) const = 0;

    // Judges a request to become a WebSocket. Returns nothing if there is no WebSocket at its target: then `answer`
    // answers it. Otherwise returns status 101 if the upgrade is allowed, or the refusal. `asked.by` is what the client may.
    virtual std::optional<response> judge_upgrade(request& asked) const = 0;

protected:
    ~request_handler() = default;
};

// Serves connections that become WebSockets.
class upgrade_handler {
public:
    // Takes the connection, and returns at once.
    virtual void serve(upgrade accepted) = 0;

protected:
    ~upgrade_handler() = default;
};

}  // namespace pgtally::server
