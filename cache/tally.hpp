#pragma once

// The replica of one tally: what decides. It waits for nothing and reads no clock.
//
// Model: the served table answers every question. A load fills a fresh table beside it, in five steps that somebody who
// can wait drives:
//
//   1. `begin_load`    The transport is open: from here on every event is kept for this load.
//   2. `set_fence`   The load's snapshot: what was kept is dropped if the fence contains it, else applied to the
//   fresh
//                      table; from here on events are so treated as they come.
//   3. `loaded`        Each row of the truth.
//   4. `await_barrier` The load's transaction has committed; a barrier with this id is on its way.
//   5. `barrier_back`  It came back through the transport: everything that the fence saw has arrived. The fresh table
//   is
//                      compared with the served one, and what differs becomes a change like any other. Of a live tally
//                      some rows at a time (`compare_more`): both tables follow the same events meanwhile.
//
// A `reload` event that the fence does not contain ends what is applied to the fresh table: the load becomes what is
// served, for it is no guess, but the tally is stale until a load that contains it.
//
// While live, events are applied to the served table too, if its own fence does not contain them. While not live they
// are not: a hole in the events would make the numbers wrong.
//
// Guarantees: a served value is the truth at a fence plus a prefix of the committed events. The revision grows with
// every change and never goes back within an epoch. A table of counters is written by loads and events only.
//
// Not promised: freshness. `state` says what the numbers are worth.

#include <pgtally/cache/counter_table.hpp>
#include <pgtally/cache/definition.hpp>
#include <pgtally/cache/drift.hpp>
#include <pgtally/cache/event.hpp>
#include <pgtally/cache/feed.hpp>
#include <pgtally/cache/fence.hpp>
#include <pgtally/cache/limits.hpp>
#include <pgtally/cache/state.hpp>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace pgtally::cache {

// What became of an event.
enum class outcome {
    applied,      // to the served table, the fresh one, or both; or kept for a load
    contained,    // the fence has it already
    ignored,      // the tally follows nothing now
    wrong_width,  // not as many deltas as counters
    wrong_key,    // no key of this tally
    needs_load,   // the tally must be loaded again
};

// What a load found.
struct load_report {
    std::uint64_t keys = 0;      // that are not 0 in the truth
    std::uint64_t differed = 0;  // keys that were served with other counters
    bool first = false;          // nothing was served before
    bool live = true;            // the tally is, now; else a reload was asked for meanwhile, and another load is needed

    // Whether the tally was live until this moment. Then what was served and what was loaded are of one point in the
    // order of commits, and a key that differed had drifted from the truth.
    bool was_live = false;
    std::uint64_t compared = 0;    // keys that are not 0 in one of the two
    std::vector<drift> drifted{};  // if it was live; the first `limits::max_reported_drift`

    // An applied event's transaction that had not ended when the event came, so that somebody forged the event. (One
    // that came before the load began was sent by a transaction that had committed, and that the fence contains. No
    // forgery need be of this kind.)
    std::optional<xid> forged{};
};

class tally {
public:
    tally(cache::definition what, limits const& bounds);
    ~tally();
    tally(tally const&) = delete;
    tally& operator=(tally const&) = delete;

    // What is shown ---------------------------------------------------------------------------------------------------

    cache::definition const& definition() const noexcept { return definition_; }
    pgtally::cache::state state() const noexcept { return state_; }
    std::string const& reason() const noexcept { return reason_; }  // beside `stale` and `failed`
    bool has_counters() const noexcept { return loaded_; }          // whether there is anything to show
    std::string const& epoch() const noexcept { return epoch_; }    // a UUID
    std::uint64_t revision() const noexcept { return revision_; }
    counter_table const& table() const noexcept { return served_; }

    // The row of a key, with all counters 0 for one that is not counted.
    std::span<std::int64_t const> counters(key const& k) const noexcept;

    // A revision after which a key did not change: the one at which it did last, as far as that is remembered.
    std::uint64_t changed_at(key const& k) const noexcept;

    // The oldest revision from which `since` can resume.
    std::uint64_t remembered_from() const noexcept { return remembered_from_; }

    // Whether the load that is served has this transaction, given that it committed.
    bool load_contains(xid transaction) const noexcept { return fence_ && fence_->contains(transaction); }

    // What arrives ----------------------------------------------------------------------------------------------------

    outcome apply(event const& e);

    // A load; each step's precondition is the step before. A refusal abandons the load and says why.
    void begin_load();
    std::optional<std::string> set_fence(fence f);
    std::optional<std::string> add_truth_row(std::string_view key_text, std::span<std::int64_t const> values);
    void await_barrier(std::string id);
    std::optional<load_report> barrier_back(std::string_view id, std::size_t rows = all_rows);
    // Goes on where `comparing`: so many rows more; the report when that was the last one.
    std::optional<load_report> compare_more(std::size_t rows);
    bool comparing() const noexcept { return load_ && load_->comparing; }
    static constexpr std::size_t all_rows = ~std::size_t{0};
    void abandon_load() noexcept { load_.reset(); }
    bool loading() const noexcept { return load_.has_value(); }

    // The transport no longer follows; what cannot be cured by waiting; the tally is no more.
    void lost(std::string reason);
    void fail(std::string reason);

    // Another definition, under the same name and with keys of the same kind. If it counts something else the numbers
    // start anew: a new epoch, state `loading`. Answers whether it does.
    bool redefine(cache::definition what);

    // Subscriptions ---------------------------------------------------------------------------------------------------

    feed& subscribers() noexcept { return feed_; }
    limits const& bounds() const noexcept { return limits_; }
    std::uint64_t state_changes() const noexcept { return state_changes_; }

private:
    struct load {
        explicit load(cache::definition const& d) : table{d.kind(), d.counters.size()} {}
        std::vector<event> kept;
        std::size_t kept_bytes = 0;
        std::optional<pgtally::cache::fence> fence;
        counter_table table;
        std::string barrier;
        std::string spoiled;     // why it cannot succeed any more
        bool reload = false;     // one was asked for after its fence: what comes later is not applied
        xid highest{};           // of the events applied to `table`
        xid before{};            // of those applied to the served table when this began
        bool comparing = false;  // its barrier is back
        counter_table::slot served_next = 0, fresh_next = 0;  // where the comparison goes on
        load_report report;
    };

    std::optional<outcome> refuse(event const& e) const;
    outcome apply_to_load(event const& e);
    outcome apply_to_served(event const& e);
    void apply_to_fresh(event const& e);
    void add_to_served(event const& e);
    void truncate_served();
    void take_first(counter_table fresh);
    void take_row(counter_table::slot s, std::span<std::int64_t const> truth, std::uint64_t revision);
    std::optional<load_report> end_load();
    void changed(counter_table::slot s, std::uint64_t revision);
    void start_over();
    void forget_old_zeros();
    void set_state(pgtally::cache::state value, std::string reason);
    std::string too_many_keys() const;

    cache::definition definition_;
    limits limits_;
    std::string epoch_;
    std::uint64_t revision_ = 0, remembered_from_ = 0, state_changes_ = 1;
    pgtally::cache::state state_ = state::loading;
    std::string reason_;
    bool loaded_ = false;
    counter_table served_;
    std::optional<pgtally::cache::fence> fence_;
    xid highest_{};  // of the events applied to what is served since its fence
    std::optional<load> load_;
    std::vector<std::int64_t> zeros_;
    feed feed_;
};

}  // namespace pgtally::cache
