#pragma once

// One client's interest in one tally, and what the client has not been sent yet.
//
// Model: a subscription follows some keys, which it names, all keys, or the answer to a question (question.hpp): a top, the
// sum, a rank. `next` returns the message to send now and records it as sent: a snapshot, or one part of it; a change with
// the newest values; a state. Call it when the client can take a message, however late that is. Changes that happen
// meanwhile fold into one message: a subscription stores a set of changed keys (by name), a revision (all keys) or the
// number of an answer's version, never a queue. An answer is sent whole, when it is another one.
//
// Guarantees: if a client replaces its values on a snapshot and sets them on a change, then it has exactly the tally's
// values for its keys as soon as `next` returns `none` and no interval holds a change back. Values never go back to
// older ones. A client can resume (`since`) from the revision of a change, or of a snapshot's last part, and misses
// nothing. To a question, `since` is answered by a whole snapshot: what the answer was then is not known.
// If revisions are positions that other servers know (tally.hpp), a client may come from a server that is ahead: then
// the first snapshot waits until this one is as far, at most `limits::since_patience`.
//
// If the tally begins a new epoch while a snapshot is sent in parts, another snapshot begins, with other `epoch` or
// `revision`: what came of the first one counts for nothing.
//
// Not promised: that the client sees each intermediate value.
//
// Lifetime: the subscription leaves the tally when it is destroyed. If the tally is destroyed first, the subscription is
// `dropped`. The owner must outlive the subscription.
//
// Threads: one.
//
// Preconditions: the times that are passed to one subscription do not decrease.

#include <pgtally/cache/answers.hpp>
#include <pgtally/cache/counter_table.hpp>
#include <pgtally/cache/feed.hpp>
#include <pgtally/cache/key_map.hpp>
#include <pgtally/cache/question.hpp>
#include <pgtally/cache/state.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace pgtally::cache {

class tally;

// The owner of subscriptions: a session, or an embedder's callback.
class subscriber {
public:
    // `which` has something to send. The feed calls this in its flush, and the tally when it is destroyed. The owner may
    // call `next` here or at any time later. feed.hpp lists what else it may do here.
    virtual void wake(subscription& which) = 0;

protected:
    ~subscriber() = default;
};

// The position up to which a client claims to have everything.
struct since_point {
    std::string epoch;
    std::uint64_t revision = 0;
};

// A message to send.
struct update {
    enum class kind {
        none,      // there is no message now; `subscription::due` says whether an interval holds one back
        snapshot,  // replaces the client's values: all of the subscription's, or those of the keys in it
        change,    // the newest values of the keys that changed
        state,     // the tally's state alone
        dropped,   // the tally was destroyed, or no longer has the question's counter; no message follows
    };

    struct item {
        counter_table::slot row;  // `none`: no row counts this named key, so that its counters are 0
        std::uint32_t tracked;    // the number of a named key; unused in a subscription to all keys
    };

    kind what{};
    bool partial = false;        // the snapshot holds only what changed since the client's point
    bool more = false;           // the snapshot has further parts
    bool of_all_keys = false;    // the change is the same for each subscription to all keys that was sent `from`
    std::uint64_t from = 0;      // the change begins after this revision (of_all_keys); the answer's version (answered)
    std::uint64_t revision = 0;  // the message brings the client up to this revision
    std::vector<item> items;

    // Of a snapshot and a change that answer a question: the answer, and as many of its rows as belong to it. Valid until the
    // tally changes.
    answer const* answered = nullptr;
    std::span<answer::row const> rows{};

    // How many values the message has.
    std::size_t values() const noexcept
    {
        return answered == nullptr ? items.size() : rows.size() + answered->sums.size();
    }
};

class subscription {
public:
    using clock = std::chrono::steady_clock;

    struct options {
        bool all_keys = false;
        std::optional<since_point> since{};
        std::chrono::milliseconds interval{0};  // the shortest time between two changes; 0: no limit
        std::optional<question> asks{};         // then neither all keys nor named ones
    };

    subscription(tally& of, subscriber& owner, options chosen);
    ~subscription();
    subscription(subscription const&) = delete;
    subscription& operator=(subscription const&) = delete;

    // `track` adds a named key, `untrack` removes one. It is no error to add a key that is tracked already, or to
    // remove one that is not. The next snapshot contains each key that `track` named since the last snapshot.
    //
    // Preconditions: not `all_keys`, not `asks`, not `dropped`; fewer than `limits::max_tracked_keys` keys are tracked.
    void track(key const& k);
    void untrack(key const& k);

    // Makes the first snapshot a whole one, whatever the client's point is: it does not have all tracked keys at it.
    void forget_since() noexcept { whole_ = true; }
    std::size_t tracked() const noexcept { return index_.size(); }
    bool tracks(key const& k) const noexcept { return index_.find(k) != nullptr; }

    // Whether a test of texts holds for each key that is tracked. Precondition: not `dropped`.
    template <class Test>
    bool all_tracked(Test test) const
    {
        for (std::uint32_t i = 0; i < keys_.size(); ++i) {
            if (keys_[i].used() && !test(std::string_view{text_of(i)})) return false;
        }
        return true;
    }

    // Writes the message to send now into `out`, and records it as sent. `now` decides whether the interval has passed.
    // Pass the same `out` again to reuse its storage.
    void next(update& out, clock::time_point now);

    // Whether `next` may return a message although nothing happens any more.
    bool has_more() const noexcept;

    // When `next` will return the change that the interval holds back, or the snapshot that waits for the client's point;
    // max() if neither.
    clock::time_point due() const noexcept { return due_; }

    // Appends the text of an item's key to `out`.
    //
    // Preconditions: `which` comes from the last `next`, and the tally has not changed since.
    void append_key(update::item const& which, std::string& out) const;

    bool all_keys() const noexcept { return all_keys_; }
    std::optional<question> const& asks() const noexcept { return asks_; }
    bool dropped() const noexcept { return tally_ == nullptr; }
    tally const* of() const noexcept { return tally_; }
    subscriber& owner() const noexcept { return *owner_; }

    // How many changes were folded into a newer one before they were sent. A subscription to named keys counts changes
    // of its keys, one to all keys counts revisions, one to a question counts answers.
    std::uint64_t conflated() const noexcept { return conflated_; }

private:
    friend class feed;
    friend class tally;

    static constexpr std::uint32_t absent = 0xffffffff;

    struct tracked_key {
        std::string text;
        std::int64_t number = 0;
        std::uint32_t position = absent;  // in the feed's list of the key's watchers
        std::uint32_t dirty = absent;     // in `dirty_`
        std::uint32_t fresh = absent;     // in `fresh_`
        bool used() const noexcept { return position != absent; }
        key as_key() const noexcept { return {text, number}; }
    };

    // A list of key numbers in which each stands once. The key stores its place, so that a removal takes constant time.
    using place = std::uint32_t tracked_key::*;
    bool add(std::vector<std::uint32_t>& list, place at, std::uint32_t index);
    bool remove(std::vector<std::uint32_t>& list, place at, std::uint32_t index) noexcept;
    void clear(std::vector<std::uint32_t>& list, place at) noexcept;

    void mark(std::uint32_t index, std::uint64_t changes);
    void start_over() noexcept;
    void next_snapshot(update& out);
    void next_part(update& out);
    void next_fresh(update& out);
    bool next_state(update& out);
    bool tells_live() const noexcept;
    bool is_held_back(clock::time_point now) noexcept;
    void next_change(update& out, clock::time_point now);
    void all_of_named(update& out);
    bool resume(update& out);
    bool is_ahead(clock::time_point now);
    bool changed_since(std::uint64_t revision, update& out) const;
    bool has_change() const noexcept;
    bool waits_for_answer();
    void put_answer(update& out) noexcept;
    update::item item_of(std::uint32_t index) const;
    std::string text_of(std::uint32_t index) const;
    void clear_marks() noexcept;

    tally* tally_;
    subscriber* owner_;
    bool const all_keys_;
    std::optional<question> const asks_;
    answers::watch* watch_ = nullptr;  // of the question
    std::uint64_t version_sent_ = 0;   // of its answer
    bool snapshot_due_ = true, told_dropped_ = false, whole_ = false;
    std::optional<since_point> since_;
    std::chrono::milliseconds interval_;
    std::optional<clock::time_point> last_change_;
    clock::time_point due_ = clock::time_point::max();
    std::optional<counter_table::slot> part_;  // where the next part of a snapshot of all keys begins
    std::uint64_t sent_ = 0, part_revision_ = 0, conflated_ = 0, state_sent_ = 0;
    std::uint64_t changes_sent_ = 0, part_changes_ = 0;  // how many changes of the tally there were then
    std::optional<clock::time_point> since_until_;       // how long to wait for the client's point
    std::vector<tracked_key> keys_;
    std::vector<std::uint32_t> free_;   // numbers of no key
    std::vector<std::uint32_t> dirty_;  // keys that changed since they were sent
    std::vector<std::uint32_t> fresh_;  // keys that `track` named since the last snapshot
    key_map<std::uint32_t> index_;      // the number of a key, its place in `keys_`
    feed::member member_{*this};
};

}  // namespace pgtally::cache
