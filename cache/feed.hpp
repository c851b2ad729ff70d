#pragma once

// The subscriptions of one tally, and which of them to wake.
//
// Model:
//
//   1. A subscription to named keys is registered under each of its keys. If a key changes, the feed counts the change
//      once, however many subscriptions there are. Before anyone looks (`mark`), it marks the key in each subscription
//      registered under it: usually once a turn, in `flush`.
//   2. A subscription to all keys is registered under none. It stores the revision up to which everything was sent; the
//      table lists what changed since.
//   3. A subscription to a question is registered with the tally's answers (answers.hpp), which wake it.
//   4. `flush` wakes each subscription that has something to send, once. The replica calls it once a turn of the event
//      loop, after it has applied every event that had arrived.
//
// Guarantees: the cost of a turn depends on its changes, plus the subscriptions that they concern, and not on the number
// of other subscriptions; a change of one key a thousand times in a turn costs each of its subscriptions one mark. Joining
// and leaving take constant time, and constant time for each key. A subscription uses memory for the keys it names, never
// for changes that it has not taken yet.
//
// Lifetime: a subscription leaves when it is destroyed. Inside a wake, any subscription of the tally may be destroyed
// or created, and the tally may be destroyed too.
//
// Threads: one.

#include <pgtally/cache/counter_table.hpp>
#include <pgtally/cache/key_map.hpp>

#include <boost/intrusive/list.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace pgtally::cache {

class subscription;

class feed {
    using hook = boost::intrusive::list_member_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;

public:
    // A subscription's links in the lists of its feed. Its destructor unlinks it.
    struct member {
        explicit member(subscription& s) noexcept : who{&s} {}

        subscription* who;
        hook joined, ready, awaits, asks;
        std::uint64_t awaited = 0;  // a revision
    };

    // Subscriptions that ask the same (answers.hpp).
    using asking_list = boost::intrusive::list<member, boost::intrusive::member_hook<member, hook, &member::asks>,
                                               boost::intrusive::constant_time_size<false>>;

    explicit feed(key_kind kind) : watched_{kind} {}

    // `join` adds a subscription. `remove_any` removes an arbitrary one and returns it, or null if none is left.
    void join(subscription& who) noexcept;
    subscription* remove_any() noexcept;

    // `watch` registers a subscription under `k`, which is its key number `index`. `unwatch` removes the registration
    // at `position` under `k`.
    void watch(key const& k, subscription& who, std::uint32_t index);
    void unwatch(key const& k, std::uint32_t position) noexcept;

    // The row `s` of `table` changed: subscriptions to its key, and to all keys, have something to send.
    void changed(counter_table const& table, counter_table::slot s);

    // All keys changed at once: subscriptions to all keys have something to send.
    void changed_any() noexcept { any_ = true; }

    // The state or the epoch changed: every subscription has something to send.
    void changed_state() noexcept { any_ = state_ = true; }

    // The tally has a new epoch: every subscription begins again with a snapshot.
    void start_over() noexcept;

    // Marks what changed in the subscriptions that are registered under it.
    void mark();

    // Makes the next flush wake `who`. If it is called inside a flush, the flush after that one wakes `who`.
    void wake(subscription& who) noexcept;

    // Makes a flush wake `who` that is told that the tally reached `revision`. Only the last call for `who` counts.
    void await(std::uint64_t revision, subscription& who) noexcept;

    // Wakes each subscription that has something to send, once. `reached` is the tally's revision.
    //
    // Errors: a wake should not throw. If one does, the exception leaves the flush, and the subscriptions that were not
    // woken yet are woken only when they have something new to send.
    void flush(std::uint64_t reached);

private:
    struct watcher {
        subscription* who;
        std::uint32_t index;  // of the key in the subscription
    };
    // The subscriptions registered under one key, and how often it changed since they were marked.
    struct watched_key {
        std::vector<watcher> watchers;
        std::uint64_t changes = 0;
        std::size_t place = 0;  // in `changed_`, if there are changes
    };

    template <hook member::* links>
    using list_of = boost::intrusive::list<member, boost::intrusive::member_hook<member, hook, links>,
                                           boost::intrusive::constant_time_size<false>>;
    using joined_list = list_of<&member::joined>;
    using ready_list = list_of<&member::ready>;

    joined_list& list_for(subscription const& who) noexcept;
    void make_ready(member& which) noexcept;
    void mark(watched_key& of);
    void forget_changes(watched_key& of) noexcept;

    key_map<std::unique_ptr<watched_key>> watched_;
    std::vector<watched_key*> changed_;  // those with changes
    joined_list all_keys_, named_, asking_;
    ready_list ready_;
    list_of<&member::awaits> awaiting_;
    bool any_ = false;    // something changed
    bool state_ = false;  // the state or the epoch changed
};

}  // namespace pgtally::cache
