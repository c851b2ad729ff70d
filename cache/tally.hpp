#pragma once

// The replica of one tally: its counters, its state, and the load under way.
//
// Model: the served table answers every question. A load fills a fresh table beside it. A caller that can wait takes the
// load through these steps, in this order:
//
//   1. `begin_load`     The transport is open. From here on the load keeps every event.
//   2. `set_fence`      The snapshot in which the truth is read. Kept events that the fence contains are dropped, the
//                       others are applied to the fresh table. Later events are treated likewise on arrival.
//   3. `add_truth_row`  Once for each row of the truth.
//   4. `await_barrier`  The load's transaction has committed, and a barrier with this id is about to be sent.
//   5. `barrier_back`   The barrier has come back through the transport, so everything that the fence contains has
//                       arrived. The fresh table is compared with the served one, and each difference becomes a change
//                       like any other. If the tally is live, `compare_more` compares some rows at a time: both tables
//                       follow the same events meanwhile.
//
// Some events do not say what changed: `reload`, `broken` (a statement could not be counted), and an event that does not
// fit the definition. If such an event arrives that the fence does not contain, the fresh table follows no later event.
// The load is still served, because its values are true, but until a load whose fence contains the event the tally is
// stale, after a `broken` event failed. Any load that begins later has such a fence.
//
// While the tally is live, events that the served table's own fence does not contain are applied to it. While it is not
// live, no event is applied to it: a gap in the events would make the counters wrong.
//
// Revisions: the changes of a tally are numbered. If its transport's stream is shared (stream.hpp), the numbers are
// positions in it. A change has the position of its commit; a difference that a load finds has that of the load's
// barrier, because what is served then is the truth of exactly the commits up to there. While the tally is live its
// revision is how far the stream was applied; while it is not, its revision stands still. Without a shared stream each
// event that changes anything, and each load that finds a difference, is one more.
//
// Guarantees: a served value is the truth at a fence plus a prefix of the committed events. The revision grows with
// every change and never goes back within an epoch. Only loads and events write to a table of counters.
//
// Not promised: freshness. `state` says whether the counters follow the database.
//
// Lifetime: subscriptions may outlive the tally. Its destructor wakes each of them once; they are `dropped` then.
//
// Threads: one.
//
// Errors: a step of a load that is out of turn is refused, in every build, and ends the load under way. A step that
// cannot succeed, for instance because there are too many keys, answers why and ends the load too.

#include <pgtally/cache/answers.hpp>
#include <pgtally/cache/counter_table.hpp>
#include <pgtally/cache/definition.hpp>
#include <pgtally/cache/drift.hpp>
#include <pgtally/cache/event.hpp>
#include <pgtally/cache/feed.hpp>
#include <pgtally/cache/fence.hpp>
#include <pgtally/cache/limits.hpp>
#include <pgtally/cache/reason.hpp>
#include <pgtally/cache/state.hpp>
#include <pgtally/cache/stream.hpp>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace pgtally::cache {

// What `apply` did with an event.
enum class outcome {
    applied,      // applied to the served table, the fresh one, or both; or kept for the load
    contained,    // the fence contains it already
    ignored,      // the tally follows no events now
    needs_load,   // the tally must be loaded again
    broken,       // the same, because a change could not be counted: the tally failed
    wrong_width,  // the same, because the event does not have as many deltas as the tally has counters
    wrong_key,    // the same, because one of the event's keys cannot be a key of this tally
};

// What a load found.
struct load_report {
    std::uint64_t keys = 0;      // with a counter that is not 0 in the truth
    std::uint64_t differed = 0;  // keys that were served with other counters
    bool first = false;          // the tally had no counters before
    bool live = true;            // the tally is live now; false: another load is needed, because of an event

    // The tally was live until this moment. Then the served and the loaded counters are of one point in the order of
    // commits, and a key that differed had drifted from the truth.
    bool was_live = false;
    std::uint64_t compared = 0;    // keys with a counter that is not 0 in one of the two tables
    std::vector<drift> drifted{};  // if it was live; the first `limits::max_reported_drift`

    // The transaction of an event that was applied before this load began, although the transaction had not ended when
    // the load took its fence: so the event was forged. Other forgeries are not recognised.
    std::optional<xid> forged{};
};

class tally {
public:
    tally(cache::definition what, limits const& bounds);
    ~tally();
    tally(tally const&) = delete;
    tally& operator=(tally const&) = delete;

    // What is served

    // Views and references are valid until the next call that changes the tally.
    cache::definition const& definition() const noexcept { return definition_; }
    pgtally::cache::state state() const noexcept { return state_; }
    // Of `stale` and `failed`; of `loading` once something went wrong.
    pgtally::cache::reason const& reason() const noexcept { return reason_; }
    bool has_counters() const noexcept { return loaded_; }        // false until the first load
    std::string const& epoch() const noexcept { return epoch_; }  // a UUID
    std::uint64_t revision() const noexcept;
    counter_table const& table() const noexcept { return served_; }

    // The revision of the last change, and how many changes there were in this epoch.
    std::uint64_t last_change() const noexcept { return last_change_; }
    std::uint64_t changes() const noexcept { return changes_; }

    // Whether revisions are positions that other servers know, as far as the last load showed.
    bool shares_positions() const noexcept { return stream_ != nullptr && stream_->shared(); }

    // The row of a key. All counters of a key that is not counted are 0.
    std::span<std::int64_t const> counters(key const& k) const noexcept;

    // A revision since which the key is unchanged: that of its last change, if the table still has the key's row.
    std::uint64_t changed_at(key const& k) const noexcept;

    // The oldest revision from which `since` can resume.
    std::uint64_t remembered_from() const noexcept { return remembered_from_; }

    // Whether the tally knows what a client lacks that has everything up to this revision. If positions are shared, the
    // client may have been at another server, which showed it what happened while this tally did not follow its stream:
    // a key may have changed and changed back meanwhile. So the tally knows nothing of before the last such gap, and
    // nothing at all while it is not live.
    bool knows(std::uint64_t revision) const noexcept;

    // Whether the served load contains this transaction, given that it committed.
    bool load_contains(xid transaction) const noexcept { return fence_ && fence_->contains(transaction); }

    // Events

    // Applies an event of this tally, or keeps it for the load. An event that does not fit changes no counter.
    outcome apply(event const& e);

    // Of events that are applied soon: `expect` notes the rows of one, and `load_expected` asks the processor to load them all.
    // Changes nothing. Returns false if it does not pay: the table is small, or many are noted already.
    bool expect(event const& e);
    void load_expected();

    // The steps of a load. If the load cannot continue, the first four end it and return the reason. `by` is the stream of
    // the tally's transport, and outlives the load and what it serves; null: the transport knows no positions.
    std::optional<std::string> begin_load(stream const* by = nullptr);
    std::optional<std::string> set_fence(fence f);
    std::optional<std::string> add_truth_row(std::string_view key_text, std::span<std::int64_t const> values);
    std::optional<std::string> await_barrier(std::string id);

    // Return the report if they complete the load. A barrier that the load does not wait for changes nothing. If the
    // tally is live, each call compares at most `rows` rows; call `compare_more` while `comparing`.
    std::optional<load_report> barrier_back(std::string_view id, std::size_t rows = all_rows);
    std::optional<load_report> compare_more(std::size_t rows);
    bool comparing() const noexcept { return load_ && load_->at == load_step::comparing; }
    static constexpr std::size_t all_rows = ~std::size_t{0};
    void abandon_load() noexcept { load_.reset(); }
    bool loading() const noexcept { return load_.has_value(); }

    // The tally stops following events. `lost`: until the next load. `fail`: until the cause is removed, which waiting
    // does not do. Both end the load under way. After a `broken` event, `lost` does not change the state: the tally is
    // failed until a load.
    void lost(pgtally::cache::reason why);
    void fail(pgtally::cache::reason why);

    // Another reason for the same state. A live tally has none, and a failed one keeps its own.
    void explain(pgtally::cache::reason why);

    // Takes the definition that was read. If its fingerprint differs, the tally starts over: a new epoch, state
    // `loading`, no counters. If only its number differs, the counters mean the same, and the tally is stale. Returns
    // whether the tally must be loaded again.
    //
    // Preconditions: the name and the kind of keys are those of the present definition.
    bool redefine(cache::definition what);

    // Subscriptions

    feed& subscribers() noexcept { return feed_; }

    // The answers to questions about all keys.
    answers& questions() noexcept { return answers_; }

    // Wakes the subscriptions that have something to send. To be called once a turn; a wake may destroy the tally.
    void flush()
    {
        answers_.settle(feed_);
        feed_.flush(revision());
    }
    limits const& bounds() const noexcept { return limits_; }

    // How often the state, its reason or the epoch changed. A subscription compares it with the number that it sent.
    std::uint64_t state_changes() const noexcept { return state_changes_; }

private:
    // What a load waits for.
    enum class load_step {
        fence,      // the load has begun, and keeps events until its fence is known
        rows,       // the truth's rows arrive
        barrier,    // the load has all rows; its barrier is on the way
        comparing,  // the barrier is back; the tables are being compared
    };

    struct load {
        load(cache::definition const& d, stream const* transport) : by{transport}, table{d.kind(), d.counters.size()} {}
        stream const* by;
        load_step at = load_step::fence;
        std::vector<event> kept;
        std::size_t kept_bytes = 0;
        std::optional<pgtally::cache::fence> fence;
        counter_table table;
        std::string barrier;
        std::uint64_t barrier_at = 0;       // its position; 0 if the stream has none
        std::string spoiled;                // why the load cannot succeed any more; empty: it can
        pgtally::cache::reason incomplete;  // why the fresh table does not follow all later events; empty: it does
        pgtally::cache::reason broken;      // the reason of a `broken` event that came after its fence
        xid highest{};                      // of the events applied to `table`
        xid before{};                       // of the events applied to the served table when this load began
        counter_table::slot served_next = 0, fresh_next = 0;  // where the comparison continues
        load_report report;
    };

    std::string end_out_of_turn(char const* step);
    std::optional<std::string> end_if_spoiled();
    std::optional<outcome> read_keys(event const& e);
    pgtally::cache::reason broken_reason(event const& e) const;
    outcome apply_to_load(event const& e, std::optional<outcome> misfit);
    outcome apply_to_served(event const& e, std::optional<outcome> misfit);
    void apply_to_fresh(event const& e, std::optional<outcome> misfit);
    void add_to_served(event const& e);
    void truncate_served();
    std::string epoch_of_load();
    void take_first(counter_table fresh);
    std::uint64_t revision_of_event() const noexcept;
    std::uint64_t revision_of_difference() const noexcept;
    void count_change(std::uint64_t revision) noexcept;
    void ask_for_rows(counter_table const& in, counter_table::will what);
    void look_ahead(counter_table const& in);
    void look_ahead(counter_table const& rows, counter_table::slot from, counter_table const& in);
    void take_row(counter_table::slot s, std::span<std::int64_t const> truth, std::uint64_t revision);
    std::optional<load_report> end_load();
    void changed(counter_table::slot s, std::uint64_t revision);
    void begin_epoch();
    void start_over();
    void forget_old_zeros();
    void set_state(pgtally::cache::state value, pgtally::cache::reason why);
    std::string too_many_keys() const;

    cache::definition definition_;
    limits limits_;
    std::string epoch_;
    bool epoch_is_shared_ = false;
    stream const* stream_ = nullptr;  // of the load that is served
    std::uint64_t last_change_ = 0, changes_ = 0, remembered_from_ = 0, state_changes_ = 1;
    std::uint64_t known_from_ = 0;  // where the tally began to follow the stream without a gap, if positions are shared
    std::uint64_t stood_at_ = 0;    // the revision when the tally stopped following the stream
    pgtally::cache::state state_ = state::loading;
    pgtally::cache::reason reason_;
    pgtally::cache::reason broken_;  // of a `broken` event that no load contains yet
    bool loaded_ = false;
    counter_table served_;
    std::optional<pgtally::cache::fence> fence_;
    xid highest_{};  // of the events applied to the served table since its fence
    std::optional<load> load_;
    std::vector<std::int64_t> zeros_;
    std::vector<key> keys_;                          // of the event that is being applied
    std::vector<counter_table::hash_value> hashes_;  // of rows that are asked for next; otherwise empty
    feed feed_;
    answers answers_;
};

}  // namespace pgtally::cache
