#pragma once

// Decides which tally is loaded when, for which cause, and after which pause. Loaders carry out its orders. It waits for
// nothing and reads no clock.
//
// Model:
//   - Each tally belongs to one transport. It is loaded only while that transport is open, and by one loader at a time.
//     If several tallies are due, their names decide the order.
//   - A load is wanted for a cause. If it fails, it is wanted again after a growing, jittered pause. The pause is at
//     least as long as the failed load took, twice as long after two failures, and so on. Any other cause than a retry
//     ends the pause at once.
//   - Loads that events cause are rate-limited per tally, because any role can send events.
//   - If a tally's definition may have changed, its load waits until the definitions have been read again.
//   - A held tally has lost its source: it is not loaded until it is released.
//   - An audit is a load that only the audit's caller wants. Only one audit runs at a time, and a tally that waits for
//     another load is not audited before that load.
//   - Connections have a generation. When a transport opens again, the database's name may lead to another server:
//     connections of an older generation must not be used.
//
// Guarantees: a report about an order that has ended, or whose tally was removed, changes nothing. A running load does
// not satisfy requests made after it started.
//
// Not promised: fairness. A tally whose load is always due precedes those with later names.
//
// Lifetime: orders may outlive their tally and the schedule.
//
// Threads: none of its own; no two calls at once.

#include <pgtally/cache/rate_limiter.hpp>
#include <pgtally/cache/state.hpp>
#include <pgtally/cache/tally.hpp>
#include <pgtally/db/backoff.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pgtally {

// Why a load began: the metric's `cause`.
enum class load_cause {
    start,       // the tally has no counters yet
    reconnect,   // its transport opened again, so events may be missing
    reload,      // an event says that the source changed in a way that events do not describe
    definition,  // its definition changed, or an event does not fit the one that was read
    broken,      // an event says that a change could not be counted
    look,        // what its source is in the database has changed
    reset,       // a request by hand
    retry,       // the load before failed or was given up
    audit,       // a request to compare what is served with the truth
};

std::string_view to_string(load_cause value) noexcept;

inline constexpr load_cause all_load_causes[] = {
    load_cause::start, load_cause::reconnect, load_cause::reload, load_cause::definition, load_cause::broken,
    load_cause::look,  load_cause::reset,     load_cause::retry,  load_cause::audit,
};

class load_schedule {
public:
    using time_point = std::chrono::steady_clock::time_point;

    // At most this many loads of one tally that events cause run without a pause; then one per interval.
    static constexpr int max_quick_requests = 5;
    static constexpr std::chrono::milliseconds request_interval{1'000};

    // The longest pause that the time of failed loads causes. A load that fails may cost the database as much as one that
    // succeeds.
    static constexpr std::chrono::milliseconds max_failure_pause{120'000};

    // One load, to be carried out now.
    struct order {
        std::string tally;
        load_cause cause = load_cause::start;
        std::uint64_t number = 0;      // unique among the orders of a schedule
        std::uint64_t generation = 0;  // of the connection that it needs
        time_point began{};

        bool audits() const noexcept { return cause == load_cause::audit; }
    };

    // Why a load failed.
    struct failure {
        bool permanent = false;  // as far as known, no later load will succeed
        bool explained = false;  // if the tally is failed already, its present reason is more useful
        // The definition in the database is not the one that was read: it is read again before the next load.
        bool other_definition = false;
    };

    // What a failed load means for the state of its tally.
    enum class consequence {
        none,    // the state stays, and nothing is logged
        log,     // the failure is logged; the state stays
        stale,   // the failure is logged; call `tally::lost`: the tally is stale, or still loading, with the reason
        failed,  // the failure is logged; call `tally::fail`
    };

    // `random` yields numbers in [0, 1).
    load_schedule(db::backoff_limits pauses, std::function<double()> random);
    load_schedule(load_schedule const&) = delete;
    load_schedule& operator=(load_schedule const&) = delete;

    // Tallies. A load of a new tally is wanted at once; if definitions were requested since the last reading, it waits
    // for the next one. `redefined`: the definition that was just read counts something else, or its events travel by
    // another transport.
    void add(std::string name, std::size_t transport);
    void remove(std::string_view name);
    void redefined(std::string_view name, std::size_t transport);

    // Transports. `transport_opened` returns whether the transport had been open before.
    bool transport_opened(std::size_t transport);
    void transport_lost(std::size_t transport);
    bool is_open(std::size_t transport) const noexcept;
    std::uint64_t generation() const noexcept { return generation_; }

    // Readings of the definitions. A reading satisfies the requests that were made before it began: pass what
    // `definitions_asked` returned then.
    void want_definitions() noexcept { ++definitions_asked_; }
    std::uint64_t definitions_asked() const noexcept { return definitions_asked_; }
    void definitions_read(std::uint64_t asked) noexcept { definitions_read_ = asked; }
    bool definitions_current() const noexcept { return definitions_asked_ == definitions_read_; }

    // A load is wanted. `want_again`: for the same cause as before, unless a load is under way.
    void want(std::string_view name, load_cause cause);
    void want_again(std::string_view name);
    bool wanted(std::string_view name) const noexcept;

    // The outcome of the load under way, if any, is not wanted any more.
    void give_up(std::string_view name);

    // `hold`: the source is lost. `release`: the source exists; if the tally was held, a load is wanted.
    void hold(std::string_view name);
    void release(std::string_view name);
    bool held(std::string_view name) const noexcept;

    // Whether, since the last call, an event came that may mean that a held tally has its source again.
    bool take_look_request() noexcept { return std::exchange(look_requested_, false); }

    void want_audit(std::string_view name);
    void drop_audit(std::string_view name);

    // The load that a loader must carry out now, if any. If there is none, the loader calls again at `wake_at`, and after
    // each change to the schedule.
    std::optional<order> next(time_point now);
    time_point wake_at() const noexcept;

    // `under_way`: the order has not ended, and its tally exists. `stands`: in addition, the order was not given up.
    bool under_way(order const& o) const noexcept;
    bool stands(order const& o) const noexcept;

    // How an order ended. Make one of these calls for each order. `state` is the state of the tally after the load.
    void done(order const& o, cache::load_report const& report, cache::state state, time_point now);
    void given_up(order const& o, cache::state state, time_point now);
    consequence failed(order const& o, failure why, cache::state state, time_point now);

private:
    struct load_state {
        std::size_t transport;
        bool wanted = false, held = false, audit = false;
        load_cause cause = load_cause::start;
        time_point not_before = time_point::min();
        std::uint64_t definitions_needed = 0;  // the request for definitions that must be satisfied first
        rate_limiter requests{request_interval, max_quick_requests};  // of loads that events cause
        db::backoff pauses;
        int failures = 0;           // since the last load that succeeded
        std::uint64_t running = 0;  // the number of the order under way; 0: none
        load_cause running_cause = load_cause::start;
        bool given_up = false;  // whether the order under way was given up

        load_state(std::size_t of, db::backoff backoff) : transport{of}, pauses{std::move(backoff)} {}
    };
    struct transport_state {
        bool open = false, opened_before = false;
    };

    load_state* find(std::string_view name) noexcept;
    load_state const* find(std::string_view name) const noexcept;
    void want(load_state& of, load_cause cause);
    bool may_run(load_state const& of) const noexcept;
    std::optional<time_point> due(load_state const& of) const noexcept;
    static bool by_event(load_cause cause) noexcept;
    bool audit_under_way() const noexcept;
    order begin(std::string const& name, load_state& of, time_point now);
    load_state* end(order const& o, time_point now);
    static std::chrono::nanoseconds pause_for(load_state& of, time_point::duration took) noexcept;

    db::backoff_limits pauses_;
    std::function<double()> random_;
    std::map<std::string, load_state, std::less<>> tallies_;
    std::vector<transport_state> transports_;  // by their index
    std::uint64_t generation_ = 0, last_number_ = 0;
    std::uint64_t definitions_asked_ = 1, definitions_read_ = 0;
    bool look_requested_ = false;
};

}  // namespace pgtally
