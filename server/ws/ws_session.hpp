#pragma once

#include <pgtally/server/auth/authority.hpp>
#include <pgtally/server/base/access_log.hpp>
#include <pgtally/server/base/limits.hpp>
#include <pgtally/server/http/clients.hpp>
#include <pgtally/server/http/ready_queue.hpp>
#include <pgtally/server/http/request_handler.hpp>
#include <pgtally/server/http/upgrade.hpp>
#include <pgtally/server/http/traffic.hpp>
#include <pgtally/server/push/shared_changes.hpp>
#include <pgtally/server/push/tally_directory.hpp>
#include <pgtally/server/ws/ws_encoder.hpp>

#include <array>
#include <string>

namespace pgtally::server {

// What WebSockets need from the service. Lifetime: all referenced objects outlive the WebSockets.
struct ws_context {
    limits const& bounds;
    tally_directory& tallies;
    shared_changes& shared;
    clients& connected;
    ready_queue& ready;
    traffic& counted;
    access_log& accesses;
    authority const& who_may;
    bool const& closing;  // the server takes no new clients any more
};

// What WebSockets use one after another, and none while it waits.
struct ws_scratch {
    std::array<char, 16'384> received;
    ws_message message{};
    std::string frame{};
};

// Serves connections that became WebSockets.
class ws_server final : public upgrade_handler {
public:
    explicit ws_server(ws_context with) : with_{with} {}

    asio::awaitable<void> serve(std::unique_ptr<upgrade> accepted) override;

private:
    ws_context with_;
    ws_scratch scratch_;
};

}  // namespace pgtally::server
