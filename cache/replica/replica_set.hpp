#pragma once

// The replicas of one database.
//
// Model: these coroutines share the tallies.
//   - receive, one per transport in use: takes each batch from the transport, applies all of it, and then lets every
//     subscriber see the outcome once (`on_turn`).
//   - control: reads `tally.tallies` at start, after a reconnect, and when an event says that a definition changed.
//     Sends a heartbeat by each transport every `heartbeat`. Reads the problems that the database sees
//     (`tally.tallies.problems`) every `heartbeat` or rarer: it logs those that appear or disappear. If they concern
//     partitions, it loads the tally again. If the source was dropped, renamed or replaced by another table of that
//     name, it fails the tally until the source exists again. Changes made while triggers were disabled are found only
//     by an audit.
//   - watch: restarts a transport if none of three heartbeats came back by it. Then no tally that follows the transport
//     is live.
//   - rankings: builds the rankings that somebody asks about, some rows a turn, and drops them when nobody does.
//   - load, at most `concurrent_loads` at a time: brings a tally through the five steps of `tally.hpp` when it needs a
//     load: at start, after a reconnect, a `reload` event, a reset, or to audit it.
//
// A tally follows the transport that its definition names: `notify`, or `wal` (wal_transport.hpp). A transport is in use while a tally follows it; `notify` is
// always in use. If a definition names a transport that this set does not have, its tally fails. When a transport opens
// again, all connections are replaced: the database's name may lead to another server.
//
// Guarantees: `run` ends only after `stop` or a defect. Every failure is retried with growing, jittered pauses, and
// meanwhile is the reason of a state. Tallies that are created, altered or dropped while the set runs are followed.
//
// Errors: `run` throws the first exception that was not expected, of a coroutine, a transport or a hook of the
// configuration. Before, the set stops, each tally is `failed` with this reason, and subscribers are told. Exceptions of
// `database.log` are ignored.
//
// Lifetime: a `tally*` is valid in the turn in which it was found; a subscription is `dropped` when its tally is
// destroyed. The set must outlive `run`, and every wait for `audit`, `applied` and a barrier.
//
// Threads: none of its own; everything happens on the executor, which must not run two handlers at once.

#include <pgtally/cache/limits.hpp>
#include <pgtally/cache/load_schedule.hpp>
#include <pgtally/cache/position.hpp>
#include <pgtally/cache/replica/audit.hpp>
#include <pgtally/cache/replica/transport.hpp>
#include <pgtally/cache/tally.hpp>
#include <pgtally/db/config.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pgtally {

class replica_set {
public:
    struct config {
        db::config database;
        std::vector<std::string> only;  // names of the tallies to hold; empty: all there are
        std::chrono::milliseconds heartbeat{5'000};
        std::size_t concurrent_loads = 2;
        // Transports beside `notify` and `wal`, which every set has; one of the name "wal" takes the place of that.
        std::vector<transport_factory> transports;
        // The most bytes of WAL that the database may keep for a transport. If there are more, the transport opens anew,
        // and its tallies are loaded. 0: no limit.
        std::uint64_t wal_limit = std::uint64_t{1} << 30;
        // If the database takes longer than this for the next 10,000 rows of a truth, the connection counts as hung.
        std::chrono::milliseconds load_patience{std::chrono::minutes{15}};
        cache::limits limits;
        // Called after each turn in which an event was applied or a state changed, before subscribers are woken.
        std::function<void()> on_turn;
        // Measurements in seconds, each optional: from an event's `at` to its application; a heartbeat's round trip; a
        // load.
        std::function<void(double)> on_event_lag, on_heartbeat, on_load;
        // Called with a tally's name after each audit that could compare, before its caller resumes.
        std::function<void(std::string_view)> on_audit;
    };

    struct tally_counters {
        std::uint64_t events = 0;                                     // applied
        std::map<load_cause, std::uint64_t> loads;                    // has every cause
        std::map<std::string, std::uint64_t> load_failures{{"", 0}};  // by SQLSTATE; "": without one
        std::uint64_t drift_keys = 0;                                 // keys that differed although the tally was live
        std::uint64_t audits_equal = 0;                               // that found the counters to be the truth
        std::uint64_t audits_drift = 0;                               // that found keys which differed
        std::uint64_t audits_failed = 0;                              // that could not compare
        // When the counters were last compared with the truth.
        std::optional<std::chrono::system_clock::time_point> last_audit;
        std::size_t problems = 0;  // that the database reports for the tally
    };

    struct transport_counters {
        std::uint64_t transactions = 0;  // whose bounds it reported
        std::uint64_t position = 0;      // of the last of them
    };

    struct counters {
        std::map<std::string, tally_counters, std::less<>> tallies;
        std::map<std::string, transport_counters, std::less<>> transports;  // that report bounds
        std::map<std::string, std::uint64_t, std::less<>> events_dropped;   // has every reason
        std::uint64_t reconnects = 0;
        std::string database;                 // host and port of the database whose definitions were read last
        int database_version = 0;             // 150020 is PostgreSQL 15.20
        double notification_queue_usage = 0;  // 0 to 1, as of the last heartbeat
        std::map<std::string, std::uint64_t, std::less<>> wal_held;  // bytes, by transport, as of its last heartbeat
        // By transport in use: when a heartbeat came back by it, or before the first, when it came into use.
        std::map<std::string, std::chrono::steady_clock::time_point, std::less<>> last_heartbeat;
    };

    using tallies = std::map<std::string, std::unique_ptr<cache::tally>, std::less<>>;

    replica_set(boost::asio::any_io_executor executor, config chosen);
    ~replica_set();

    boost::asio::awaitable<void> run();
    void stop();

    // By name, ascending.
    tallies const& all() const noexcept;
    cache::tally* find(std::string_view name) noexcept;

    // Whether the definitions have been read since the start.
    bool knows_tallies() const noexcept;

    // What is wrong with the database, its schema or transport `notify` now; empty if nothing is. The trouble of
    // another transport is the reason of the tallies that follow it.
    cache::reason const& trouble() const noexcept;
    bool trouble_is_permanent() const noexcept;  // waiting does not cure it

    // The version of the installed schema; 0 if it is not known.
    int schema_version() const noexcept;

    // Loads a tally again. If the tally is live, it stays live meanwhile.
    void reset(std::string_view name);

    // Compares the served counters with the truth at one fence, while events arrive, and corrects each key that
    // differs. A corrected key has a new revision, as after any other load. An audit reads the source once, under a
    // lock that blocks no writer. One audit runs at a time in the set; the others wait. Other loads of the tally run
    // before or after it. If the tally stops being live before the comparison, nothing is compared. If the audit fails,
    // the tally does not change. If `at_most` runs out, the audit continues and logs its result.
    boost::asio::awaitable<audit_report> audit(std::string name, std::chrono::milliseconds at_most);

    // Ends every wait for an audit with `stopped`.
    void let_audits_go();

    // Read your writes, for a transaction that carries a barrier: expect a barrier, send its id in the transaction, and
    // wait for it.
    class barrier_wait;
    std::unique_ptr<barrier_wait> expect_barrier();

    // Read your writes, for a transaction that carries no barrier: waits until everything that the transaction did is
    // in the tally's counters. Returns false if it is not by `until`.
    //
    // Errors: throws db::error (`closed`) when the set is stopped; std::invalid_argument if `transaction` is 2^63 or
    // more.
    boost::asio::awaitable<bool> applied(std::string name, cache::xid transaction,
                                         std::chrono::steady_clock::time_point until);

    // Read your writes on any server: expects that a tally reaches a position.
    class position_wait;
    std::unique_ptr<position_wait> expect_position(std::string tally, cache::since_point at);

    // Waits until a tally's keys are ranked by a counter (cache/answers.hpp), which the first question about it makes
    // necessary. Returns false if they are not by `until`, if there is no such tally or counter, or when the set is stopped.
    boost::asio::awaitable<bool> ranked(std::string tally, std::string by, std::chrono::steady_clock::time_point until);

    counters const& stats() const noexcept;

private:
    struct impl;
    std::unique_ptr<impl> impl_;
};

// One expected barrier.
//
// Lifetime: the set must outlive the object; the barrier is expected as long as the object exists.
class replica_set::barrier_wait {
public:
    virtual ~barrier_wait() = default;

    // The barrier's id. Send it in one transaction, by `tally.act` or by the tally's transport.
    virtual std::string const& id() const noexcept = 0;

    // Waits until the barrier comes back by any transport, which proves that its transaction committed. Returns false
    // after `at_most`, which proves nothing. Several callers may wait.
    virtual boost::asio::awaitable<bool> came_back(std::chrono::milliseconds at_most) = 0;

    // Waits until the tally is live and its counters contain everything that the transaction did. Returns false if they
    // do not by `until`. If the caller knows that the transaction committed, it passes `transaction`; then a barrier
    // that is lost on its way does no harm.
    //
    // Several callers may wait at a time, for what one transaction did in several tallies.
    //
    // Errors: as `replica_set::applied`.
    virtual boost::asio::awaitable<bool> applied(std::string tally, std::optional<cache::xid> transaction,
                                                 std::chrono::steady_clock::time_point until) = 0;

    // Once the barrier is back: the position at which its transaction committed, in the epoch that the tally has now.
    // Nothing if the tally's transport knows no positions, or the barrier came by another one or in another order of
    // commits.
    virtual std::optional<std::uint64_t> position(cache::tally const& of) const = 0;
};

// One expected position.
//
// Lifetime: the set must outlive the object.
class replica_set::position_wait {
public:
    virtual ~position_wait() = default;

    // Waits until the tally has reached the position, or has another epoch. Returns `not_yet` if neither is so by
    // `until`, after `leave`, if there is no such tally, or when the set is stopped.
    //
    // Preconditions: one caller at a time.
    virtual boost::asio::awaitable<cache::arrival> arrives(std::chrono::steady_clock::time_point until) = 0;

    // Ends the wait.
    virtual void leave() noexcept = 0;
};

}  // namespace pgtally
