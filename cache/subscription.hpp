#pragma once

// One client's interest in one tally, and the conflation of what it has not been sent.
//
// Model: `next` says what to send now, and takes it as sent: a snapshot (perhaps one part of it), a change with the
// newest values, a state. It is called when the client can take a message, however long that was; what happened
// meanwhile folds into one answer. It holds a set of changed keys (by name) or a revision (all keys), never a queue.
//
// Guarantees: a client that replaces on a snapshot and sets on a change has, when `next` has nothing more, exactly the
// tally's values for its keys. Values never go back. The revision of a change, or of a snapshot's last part, is one
// from which `since` resumes without a hole.
//
// Not promised: that each intermediate value is seen.
//
// Lifetime: it leaves the tally when it is destroyed, and knows when the tally goes first. One thread.

#include <pgtally/cache/counter_table.hpp>
#include <pgtally/cache/key_map.hpp>
#include <pgtally/cache/state.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pgtally::cache {

class tally;
class subscription;

// Whose subscriptions they are: a session.
class subscriber {
public:
    // `which` has something to send. Called by the tally's flush; `next` may be called in it or at any time later.
    virtual void wake(subscription& which) = 0;

protected:
    ~subscriber() = default;
};

// Where a client says that it stopped.
struct since_point {
    std::string epoch;
    std::uint64_t revision = 0;
};

// What to send.
struct update {
    enum class kind {
        none,      // nothing, or nothing before `due`
        snapshot,  // replaces what the client has: of the whole subscription, or of the keys in it
        change,    // newest values of the keys that changed
        state,     // the state alone
        dropped,   // the tally is gone, and the subscription with it
    };

    struct item {
        counter_table::slot row;  // `none`: a named key that is not counted, all 0
        std::uint32_t tracked;    // the index of a named key, else unused
    };

    kind what{};
    bool partial = false;        // a snapshot of what changed since the client's point only
    bool more = false;           // a part of a snapshot, others follow
    bool of_all_keys = false;    // a change that is the same for each subscription to all keys from `from` on
    std::uint64_t from = 0;      // changes after this revision (of_all_keys)
    std::uint64_t revision = 0;  // up to this one
    std::vector<item> items;
};

class subscription {
public:
    using clock = std::chrono::steady_clock;

    struct options {
        bool all_keys = false;
        std::optional<since_point> since{};
        std::chrono::milliseconds interval{0};  // at least so long between two changes
    };

    subscription(tally& of, subscriber& owner, options chosen);
    ~subscription();
    subscription(subscription const&) = delete;
    subscription& operator=(subscription const&) = delete;

    // Adds a key by name, or drops one. A key already tracked, or not tracked, is no error. A tracked key is in the
    // next snapshot. Precondition: not `all_keys`, not `dropped`, fewer than `limits::max_tracked_keys`.
    void track(key const& k);
    void untrack(key const& k);

    // Keys are tracked that the client did not have at its point: the first snapshot, if it is yet to come, is a whole
    // one.
    void forget_since() noexcept { since_.reset(); }
    std::size_t tracked() const noexcept { return index_.size(); }
    bool tracks(key const& k) const noexcept { return index_.find(k) != nullptr; }

    // What to send now; sent, as far as this object is concerned.
    void next(update& out, clock::time_point now);

    // When `next` will have something that an interval holds back now; max() if nothing waits for time.
    clock::time_point due() const noexcept { return due_; }

    // The text of an item's key, appended to `out`.
    void append_key(update::item const& which, std::string& out) const;

    bool all_keys() const noexcept { return all_keys_; }
    bool dropped() const noexcept { return tally_ == nullptr; }
    tally const* of() const noexcept { return tally_; }
    subscriber& owner() const noexcept { return *owner_; }

    // Changes of keys that were replaced by a newer one before they were sent.
    std::uint64_t conflated() const noexcept { return conflated_; }

private:
    friend class feed;
    friend class tally;

    struct tracked_key {
        std::string text;
        std::int64_t number = 0;
        std::uint32_t position = 0;  // in the feed's list of the key's watchers
        bool used = false, dirty = false, fresh = false;
        key as_key() const noexcept { return {text, number}; }
    };

    void mark(std::uint32_t index);
    void start_over() noexcept;
    void next_snapshot(update& out);
    void next_part(update& out);
    void next_fresh(update& out);
    bool next_state(update& out);
    void next_change(update& out, clock::time_point now);
    void all_of_named(update& out);
    bool resume(update& out);
    bool changed_since(std::uint64_t revision, update& out) const;
    bool has_change() const noexcept;
    update::item item_of(std::uint32_t index) const;
    void clear_marks() noexcept;

    tally* tally_;
    subscriber* owner_;
    bool const all_keys_;
    bool snapshot_due_ = true, told_dropped_ = false, waking_ = false;
    std::optional<since_point> since_;
    std::chrono::milliseconds interval_;
    std::optional<clock::time_point> last_change_;
    clock::time_point due_ = clock::time_point::max();
    std::optional<counter_table::slot> part_;  // where the next part of a snapshot of all keys begins
    std::uint64_t sent_ = 0, part_revision_ = 0, conflated_ = 0, state_sent_ = 0;
    std::vector<tracked_key> keys_;
    std::vector<std::uint32_t> free_, dirty_, fresh_;
    key_map<std::uint32_t> index_;  // of a key in `keys_`
};

}  // namespace pgtally::cache
