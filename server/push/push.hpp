#pragma once

#include <pgtally/cache/state.hpp>
#include <pgtally/cache/subscription.hpp>
#include <pgtally/server/push/requests.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace pgtally::server {

// One message of a subscription to its client, independent of the protocol. `client_subscriptions` produces it, and an
// encoder per protocol writes it.
//
// Lifetime: it refers to the replicas and to the subscription. Encode it before either of them changes, that is, before
// the coroutine suspends.
struct push {
    enum class kind {
        snapshot,  // replaces what the client has of the keys in it. `update->more`: a part, and not the last one
        change,    // the newest values of the keys that changed
        state,     // the state alone
        dropped,   // the tally is dropped, and the subscription with it
        ended,     // the client may not read it any more: see `reason`
        refused,   // a subscription that waited for the definitions cannot begin: see `why`
    };

    kind what{};
    std::string id{};  // of the subscription

    // Of a snapshot and a change: keys and values, read through `from`. Both are null for the other kinds.
    cache::subscription const* from = nullptr;
    cache::update const* update = nullptr;

    // Of a snapshot, a change and a state. A client resumes at `epoch` and `update->revision` of a change or of a
    // snapshot's last part.
    std::string_view epoch{};
    cache::state state{};
    std::string reason{};  // as long as the client may read it; empty: the state needs none. Of `ended`: a word

    std::uint64_t conflated = 0;  // changes that newer ones replaced before they were sent
    refusal why{};                // of `refused`
};

}  // namespace pgtally::server
