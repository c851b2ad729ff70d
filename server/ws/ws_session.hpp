#pragma once

#include <pgtally/server/auth/authority.hpp>
#include <pgtally/server/http/push_context.hpp>
#include <pgtally/server/http/request_handler.hpp>
#include <pgtally/server/http/upgrade.hpp>
#include <pgtally/server/push/shared_changes.hpp>
#include <pgtally/server/push/tally_directory.hpp>
#include <pgtally/server/ws/ws_encoder.hpp>

namespace pgtally::server {

// What WebSockets need from the service. Lifetime: all referenced objects outlive the WebSockets.
struct ws_context {
    push_context const& push;
    tally_directory& tallies;
    shared_changes& shared;
    authority const& who_may;
};

// Serves connections that became WebSockets.
class ws_server final : public upgrade_handler {
public:
    explicit ws_server(ws_context with) : with_{with} {}

    void serve(upgrade accepted) override;

private:
    ws_context with_;
    ws_message message_{};  // that is being encoded
};

}  // namespace pgtally::server
