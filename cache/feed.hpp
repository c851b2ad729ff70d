#pragma once

// Who cares about which key.
//
// Model: a subscription to named keys has an entry for each of them here; a change of a key marks that key in each of
// its subscriptions. A subscription to all keys has no entries: it remembers a revision, and the table knows what
// changed since. Either kind is woken at most once per `flush`, which the follower calls once per turn, when all that
// had arrived is applied.
//
// Guarantee: the memory of a slow client is bounded by what it subscribed to, not by what happened meanwhile.

#include <pgtally/cache/counter_table.hpp>
#include <pgtally/cache/key_map.hpp>

#include <cstdint>
#include <vector>

namespace pgtally::cache {

class subscription;

class feed {
public:
    explicit feed(key_kind kind) noexcept : watched_{kind} {}

    // A subscription by name watches and leaves its `index`th key.
    void watch(key const& k, subscription& who, std::uint32_t index);
    void unwatch(key const& k, std::uint32_t position) noexcept;

    // Subscriptions of any kind are known here while they live.
    void join(subscription& who);
    void leave(subscription& who) noexcept;

    // The row `s` of `table` changed: its watchers have something to send.
    void changed(counter_table const& table, counter_table::slot s);

    // Something changed: subscriptions to all keys have something to send.
    void changed_any() noexcept { any_ = true; }

    // The state, the epoch or the existence changed: every subscription has something to send.
    void changed_state() noexcept { any_ = all_ = true; }

    // Puts `who` among those that the next flush wakes.
    void wake(subscription& who);

    // Wakes everybody that has something to send.
    void flush();

    std::vector<subscription*> const& members() const noexcept { return members_; }

private:
    struct watcher {
        subscription* who;
        std::uint32_t index;  // of the key in the subscription
    };
    using watchers = std::vector<watcher>;

    key_map<watchers> watched_;
    std::vector<subscription*> members_, ready_, waking_;
    bool any_ = false, all_ = false;
};

}  // namespace pgtally::cache
