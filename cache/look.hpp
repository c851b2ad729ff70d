#pragma once

// Decides what a look at the database means: which tallies must be loaded again although no event says so, whose
// findings must be asked for, and which tally is to be repaired. It waits for nothing and reads no clock.
//
// Model:
//   - A look reads one row of each tally: the number of its definition, and a fingerprint of what its source is:
//     tables, columns, triggers, functions, the installation. Whatever changes the truth without an event changes the
//     fingerprint.
//   - The fingerprint of what is served belongs to a load: the load reads it after it has locked the source and before
//     its fence. A look that shows another one means a load. A look that began before the load's reading proves
//     nothing, because the change may be between the two.
//   - Findings are what is wrong with a tally. They are asked for when the tally is new, when the connection is, when
//     its fingerprint or definition changed, when a change could not be counted, and as long as there are any. A
//     finding that fails the tally holds it: it is not loaded until the finding is gone.
//   - If `tally.reload` cures a finding and the server's role may call it, the tally is to be repaired. A repair that
//     could not get its locks is tried again after growing pauses; so is one after which the same is found, after
//     longer ones: either it cures nothing, or somebody broke the same again before the next look.
//
// Guarantees: no change that a look shows is forgotten, whatever loads run meanwhile. Each change is one load. However
// often the findings change, repairs of a tally come at a bounded rate.
//
// Not promised: a look sees a change only after it has committed.
//
// Threads: none of its own; no two calls at once.

#include <pgtally/cache/findings.hpp>
#include <pgtally/cache/rate_limiter.hpp>

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pgtally {

// A row of `tally.look()`.
struct looked_tally {
    std::string name;
    std::uint64_t v = 0;
    std::string fingerprint;
    std::string source = {};  // today's name, which means nothing for the counters
};

class look {
public:
    using time_point = std::chrono::steady_clock::time_point;

    // At most this many repairs of one tally begin without a pause; then one per interval.
    static constexpr int max_quick_repairs = 3;
    static constexpr std::chrono::seconds repair_interval{60};

    // The pauses after a repair that could not get its locks.
    static constexpr std::chrono::seconds first_repair_pause{1}, longest_repair_pause{60};

    // The pauses after a repair after which the same is found.
    static constexpr std::chrono::seconds first_same_pause{60}, longest_same_pause{3600};

    // The tallies that are followed. `define`: a tally is followed, or its definition was read again.
    void define(std::string const& name, std::uint64_t v);
    void remove(std::string_view name);

    // The connection that looks is another one, perhaps to another server.
    void connected() noexcept;

    // The findings of this tally must be asked for with the next look.
    void ask(std::string_view name) noexcept;

    // A look. `begin` before the query is sent; `asks` says whose findings the look must read beside these rows; `take`
    // when it is complete.
    struct change {
        bool definitions = false;         // they must be read again: a tally appeared, went, or has another number
        std::vector<std::string> reload;  // the tallies that must be loaded again
    };
    std::uint64_t begin() noexcept { return ++clock_; }
    std::vector<std::string> asks(std::vector<looked_tally> const& rows) const;
    change take(std::uint64_t number, std::vector<looked_tally> const& rows);

    // The findings of one tally. `may_repair`: the server's role may call `tally.reload`.
    findings_news take_findings(std::string_view name, findings found, bool may_repair);
    findings const& found(std::string_view name) const noexcept;

    // The finding that fails the tally, if there is one.
    std::optional<finding> failure(std::string_view name) const;

    // A load, other than an audit: what it read under its lock; how it ended.
    void load_reads(std::string_view name, std::string fingerprint);
    void load_ends(std::string_view name, bool served);

    // Repairs. `repair` returns the tally to be repaired now; report how each repair ended. If there is none, ask again
    // at `repair_at`, and after each look.
    std::optional<std::string> repair(time_point now) const;
    time_point repair_at() const noexcept;
    void repaired(std::string_view name, time_point now);
    void repair_failed(std::string_view name, bool transient, time_point now);

private:
    struct entry {
        std::uint64_t v = 0;
        bool asked = true;          // its findings are due
        std::string seen;           // by the last look
        std::string served;         // what the served load read; empty: nothing is served yet
        std::string reading;        // what the load under way read
        std::string requested;      // the change for which a load was requested
        std::uint64_t read_at = 0;  // when a load read last
        findings found;
        bool may_repair = false;
        std::optional<findings> tried;  // what the last repair was meant to cure
        time_point not_before = time_point::min();
        std::chrono::seconds pause{0};  // after the last repair that could not get its locks
        time_point same_not_before = time_point::min();
        std::chrono::seconds same_pause{0};  // if what was `tried` is still found
        rate_limiter repairs{repair_interval, max_quick_repairs};
    };

    entry* find(std::string_view name) noexcept;
    entry const* find(std::string_view name) const noexcept;
    static std::optional<time_point> repair_due(entry const& of) noexcept;
    static void has_tried(entry& of, time_point now);

    std::map<std::string, entry, std::less<>> tallies_;
    std::uint64_t clock_ = 0;  // orders looks and the readings of loads
};

}  // namespace pgtally
