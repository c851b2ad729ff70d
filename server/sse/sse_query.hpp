#pragma once

#include <pgtally/server/auth/permit.hpp>
#include <pgtally/server/base/limits.hpp>
#include <pgtally/server/http/response.hpp>
#include <pgtally/server/http/target.hpp>
#include <pgtally/server/push/requests.hpp>

#include <string>
#include <string_view>

namespace pgtally::server {

// What a request for events subscribes to. `refused` says why it is not acceptable; status 200 if it is. Whether the tally
// and the keys exist is for `client_subscriptions` to judge.
struct events_wanted {
    subscribe_request what{};
    response refused{};
};

// `last_event_id` is the field Last-Event-ID. If it is a position, it replaces `?since=`, because a browser that reconnects
// repeats the query; if it is not, the client begins with everything.
events_wanted wanted_events(std::string tally, target const& split, std::string_view last_event_id,
                            limits const& bounds);

// The answer if the subscription is refused before the stream begins.
response refused_events(refusal const& why, permit const& by);

}  // namespace pgtally::server
