#pragma once

// What of a tally is to be written into its table, batch by batch: what decides. It waits for nothing.
//
// Model: somebody who can wait writes in rounds. A round begins with `begin`; then `next` says what to do, and is told
// how that went, until it has nothing more to do.
//   - A round of changes is about the keys that changed since the round before. The tally keeps its rows in the order
//     of their last change, so there is no list of dirty keys to be kept beside it: a revision is enough. When many
//     changed, they are found by looking through the whole tally, a slice a turn.
//   - A full pass is about all keys of the tally that are not 0, and then about those that are not 0 in the table: what
//     the tally does not count is to become 0 there. It is due when nothing is known about the table: at first, after
//     `start_over` and `want_full_pass`, in a new epoch, and when keys that fell to 0 were forgotten by the tally
//     before they were seen here.
//   - A batch that a constraint refuses is written again in halves, until single rows are refused: those are skipped
//     until they change, or the next full pass.
//
// Guarantees: values are taken when a batch is made, so that those of a key never go back while one writes. A round may
// take any number of turns and pauses, whatever happens to the tally meanwhile; what changes behind it is left to the
// next. Memory is bounded by the limits, whatever the tally holds.

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
        rest,   // nothing more for now: the round is over, or goes on after a pause
        again,  // enough for one turn: let others run, and ask again
        write,  // `to_write`; then tell `written` or `refused`
        read,   // the table's keys that are not 0: `page_size` of them, ascending, after `page_after`; then tell `page`
    };

    // Absolute values: `width` counters of each key, one key after the other.
    struct batch {
        std::vector<std::string> keys;
        std::vector<std::int64_t> counters;
    };

    explicit materializer_plan(limits const& bounds) noexcept : bounds_{bounds} {}

    // Nothing is known about the table: the round under way is given up, the next is a full pass.
    void start_over() noexcept;

    // The round after this one is a full pass: somebody else may have changed the table.
    void want_full_pass() noexcept { full_wanted_ = true; }

    // Begins a round; goes on with one that has not ended. Precondition of this and `next`: the tally is live.
    void begin(cache::tally const& of);

    step next(cache::tally const& of);

    batch const& to_write() const noexcept { return batch_; }
    std::optional<std::string> const& page_after() const noexcept { return page_after_; }  // empty: from the first
    std::size_t page_size() const noexcept { return bounds_.materialize_rows; }

    void written() noexcept;

    // A constraint refused the batch. Answers whether it was a single row, which is skipped.
    bool refused();

    void page(cache::tally const& of, std::vector<std::string> keys);

    // Whether a round has begun and not ended, and whether it is a full pass.
    bool under_way() const noexcept { return phase_ != phase::none; }
    bool full() const noexcept { return full_; }

private:
    enum class phase {
        none,     // no round
        changed,  // what was listed as changed
        scan,     // looking through the tally
        pages,    // reading the table
    };

    bool list_changes(cache::tally const& of);
    void add_pending(std::vector<std::string> keys);
    step scan(cache::tally const& of);
    step write_pending(cache::tally const& of);
    step end_round() noexcept;

    limits const& bounds_;
    std::string epoch_;          // of the revisions
    std::uint64_t written_ = 0;  // the table has what every key was at this revision, or later
    bool full_wanted_ = true;

    phase phase_ = phase::none;
    bool full_ = false, last_page_ = false;
    std::uint64_t since_ = 0, until_ = 0;  // the round is about changes after, up to
    std::size_t splits_ = 0;
    cache::counter_table::slot cursor_ = 0;
    std::optional<std::string> page_after_;
    std::vector<std::vector<std::string>> pending_;  // keys of batches, the last one next
    batch batch_;
};

}  // namespace pgtally::server
