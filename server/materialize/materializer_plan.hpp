#pragma once

// Decides which rows of the table of a tally are written next. Pure: it waits for nothing and reads no clock.
//
// Model: the materializer writes in rounds. A round starts with `begin`. Then `next` returns the next step, and the
// materializer reports the outcome, until the step is `rest`.
//   - A round of changes covers the keys that changed since the last round. The tally keeps its rows in the order of
//     their last change, so a revision is enough to find them, without a list of dirty keys. If many changed, the plan
//     scans the whole tally, one slice a turn. If the tally forgot keys meanwhile that fell to 0, the round goes on with
//     the keys of the table, as a full pass does.
//   - A full pass covers all keys of the tally that are not 0, and then the keys that are not 0 in the table: those
//     that the tally does not count become 0 there. It is due if nothing is known about the table: at first, after
//     `start_over` and `want_full_pass`, in a new epoch, and if the tally forgot keys that fell to 0 before the plan
//     saw them.
//   - If a constraint refuses a batch, the plan splits it into halves, down to single rows. A single refused row is
//     skipped until it changes, or until the next full pass.
//
// Guarantees: a batch takes the values at the time it is made, so with one writer the values of a key never go back. A
// round can take any number of turns and pauses; changes to keys that it has passed belong to the next round. The
// limits bound the memory, whatever the size of the tally.

#include <pgtally/cache/tally.hpp>
#include <pgtally/server/base/limits.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace pgtally::server {

class materializer_plan {
public:
    enum class step {
        rest,   // nothing to do now: the round has ended, or continues after a pause
        again,  // the slice of this turn is done: let others run, then call `next` again
        write,  // write `to_write`, then call `written` or `refused`
        read,   // read `page_size` keys of the table that are not 0, ascending, after `page_after`; then call `page`
    };

    // Absolute values: all counters of the first key, then those of the next, and so on.
    struct batch {
        std::vector<std::string> keys;
        std::vector<std::int64_t> counters;
    };

    explicit materializer_plan(limits const& bounds) noexcept : bounds_{bounds} {}

    // Drops the current round; the next is a full pass. To be called if nothing is known about the table.
    void start_over() noexcept;

    // Makes the next round a full pass. To be called if another program may have changed the table.
    void want_full_pass() noexcept { full_wanted_ = true; }

    // Begins a round, or continues one that has not ended.
    //
    // Preconditions, of `next` too: the tally is live.
    void begin(cache::tally const& of);

    step next(cache::tally const& of);

    batch const& to_write() const noexcept { return batch_; }
    std::optional<std::string> const& page_after() const noexcept { return page_after_; }  // empty: from the first
    std::size_t page_size() const noexcept { return bounds_.materialize_rows; }

    void written() noexcept;

    // A constraint refused the batch. Returns whether it was a single row, which is skipped now.
    bool refused();

    void page(cache::tally const& of, std::vector<std::string> keys);

    // How many keys changed that the table does not have yet, counted up to `limits::materialize_counted_keys`.
    std::size_t pending(cache::tally const& of) const noexcept;

    // Whether a round has begun and not ended, and whether it is a full pass.
    bool under_way() const noexcept { return phase_ != phase::none; }
    bool full() const noexcept { return full_; }

private:
    enum class phase {
        none,     // no round
        changed,  // writes the keys that were listed as changed
        scan,     // scans the tally
        pages,    // reads the table
    };

    bool list_changes(cache::tally const& of);
    void add_pending(std::vector<std::string> keys);
    step scan(cache::tally const& of);
    step write_pending(cache::tally const& of);
    step end_round() noexcept;

    limits const& bounds_;
    std::string epoch_;          // of the revisions
    std::uint64_t written_ = 0;  // the table has the value of each key at this revision, or a later one
    bool full_wanted_ = true;

    phase phase_ = phase::none;
    bool full_ = false, last_page_ = false;
    std::uint64_t since_ = 0, until_ = 0;  // the round covers the revisions after since_, up to until_
    std::size_t splits_ = 0;
    cache::counter_table::slot cursor_ = 0;
    std::optional<std::string> page_after_;
    std::vector<std::vector<std::string>> pending_;  // the keys of each batch; the last one is next
    batch batch_;
};

}  // namespace pgtally::server
