#pragma once

#include <pgtally/server/auth/permit.hpp>
#include <pgtally/server/base/audience.hpp>

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace pgtally::server {

enum class method { get, head, post, options, other };

// What a request says, as far as the server uses it. Lifetime: the views are valid until the request is answered.
struct request {
    method verb = method::other;
    std::string_view target{};
    std::string_view host{};  // of an absolute target, else of the field Host
    std::optional<std::string_view> origin{};
    std::string if_match{}, if_none_match{};  // all fields of the name, joined by commas
    std::string accept{}, accept_encoding{};  // likewise
    std::string authorization{};              // likewise
    std::string cookies{};                    // all fields of the name, joined by semicolons
    std::string_view last_event_id{};
    bool preflight = false;  // it carries Access-Control-Request-Method
    std::string_view body{};
    bool admin = false;     // it came through the admin address
    bool loopback = false;  // the address that it came through is bound to loopback

    // What the client may. The request handler finds it out, and judges by it.
    permit by{};

    // Calls what it is given once the client has closed its side, unless the answer is complete before. To be called by
    // an answer that waits; if it is called again, only what it is given last counts.
    std::function<void(std::function<void()>)> when_gone{};

    audience who() const noexcept { return admin ? audience::operators : audience::everybody; }
};

}  // namespace pgtally::server
