#pragma once

// The replicas of one database.
//
// Model: coroutines and what they share.
//   - receive, one per transport in use: takes each batch from the transport, applies all of it, and then lets every
//     subscriber see the outcome once (`on_turn`).
//   - control: reads `tally.tallies` at start, after a reconnect, and when an event says that a definition changed.
//     Sends a heartbeat by each transport every `heartbeat`. Reads the problems that the database sees
//     (`tally.tallies.problems`) every `heartbeat` or rarer: it logs those that appear or go; if they concern
//     partitions it loads the tally again; if the source was dropped, renamed or replaced by a namesake it fails the
//     tally until there is a source. Changes made while triggers were disabled are found only by an audit.
//   - watch: restarts a transport if none of three heartbeats came back by it. Then no tally that follows the transport
//     is live.
//   - load, at most `concurrent_loads` at a time: brings a tally through the five steps of `tally.hpp` when it needs a
//     load: at start, after a reconnect, a `reload` event, a reset, or to audit it.
//
// A tally follows the transport that its definition names. A transport is in use while a tally follows it; `notify` is
// always in use. If a definition names a transport that this set does not have, its tally is failed. When a transport
// opens again, all connections are replaced: the name may stand for another server.
//
// Guarantees: `run` ends only by `stop`. Every failure is retried with growing, jittered pauses, and is the reason of a
// state meanwhile. Tallies that are created, altered or dropped while the set runs are followed.
//
// Lifetime: a `tally*` is valid in the turn in which it was found; a subscription knows when its tally is gone. The set
// must outlive `run`, and every wait for `audit`, `applied` and a barrier.
// Threads: none of its own; everything happens on the executor, which must not run two handlers at once.

#include <pgtally/cache/limits.hpp>
#include <pgtally/cache/load_schedule.hpp>
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
        // Transports beside `notify`, which every set has.
        std::vector<transport_factory> transports;
        // If the database takes longer for a truth, or for the next 10,000 rows of it, its connection counts as hung.
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
        std::uint64_t events = 0;  // applied
        std::map<load_cause, std::uint64_t> loads;
        std::uint64_t drift_keys = 0;  // keys that differed although the tally was live
        std::uint64_t audits = 0;      // that could compare
        std::size_t problems = 0;      // that the database sees with it
    };

    struct transport_counters {
        std::uint64_t transactions = 0;  // whose bounds it reported
        std::uint64_t position = 0;      // of the last of them
    };

    struct counters {
        std::map<std::string, tally_counters, std::less<>> tallies;
        std::map<std::string, transport_counters, std::less<>> transports;  // that report bounds
        std::map<std::string, std::uint64_t, std::less<>> events_dropped;   // by reason
        std::uint64_t reconnects = 0;
        double notification_queue_usage = 0;  // 0 to 1, as of the last heartbeat
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

    // What is wrong with the database, its schema or transport `notify` now; empty if nothing is. A tally of another
    // transport has that one's trouble as its reason.
    std::string const& trouble() const noexcept;
    bool trouble_is_permanent() const noexcept;  // waiting does not cure it

    // The version of the installed schema; 0 if it is not known.
    int schema_version() const noexcept;

    // Rebuilds a replica from the truth. If the tally is live, it stays live meanwhile.
    void reset(std::string_view name);

    // Compares what is served with the truth at one fence, while both go on, and corrects each key that differs: it
    // changes with a new revision, as by any other load. Reads the source once, under a lock that hinders no writer.
    // Runs one audit at a time in the set; the others wait. Other loads of the tally run before it or after it. If the
    // tally stops being live meanwhile, nothing is compared. An audit that fails leaves the tally as it is.
    // If the caller does not wait until the end, the audit goes on, and logs its result.
    boost::asio::awaitable<audit_report> audit(std::string name, std::chrono::milliseconds at_most);

    // Ends every wait for an audit with `stopped`.
    void let_audits_go();

    // Read your writes, for a transaction of the caller's own: expect a barrier, send its id in the transaction, and
    // wait for it.
    class barrier_wait;
    std::unique_ptr<barrier_wait> expect_barrier();

    // Read your writes, for a transaction that carries no such barrier: waits until everything that it did is in the
    // tally's counters. Returns false if it is not by `until`.
    // Errors: db::error (closed) when the set is stopped.
    boost::asio::awaitable<bool> applied(std::string name, cache::xid transaction,
                                         std::chrono::steady_clock::time_point until);

    counters const& stats() const noexcept;

private:
    struct impl;
    std::unique_ptr<impl> impl_;
};

// One expected barrier.
// Lifetime: the set must outlive it; the barrier is expected as long as the object exists.
class replica_set::barrier_wait {
public:
    virtual ~barrier_wait() = default;

    // Goes into one transaction, by `tally.act` or by the tally's transport, after this object was made.
    virtual std::string const& id() const noexcept = 0;

    // Waits until the barrier comes back by any transport, which proves that its transaction committed. Returns false
    // if it has not after `at_most`, which proves nothing.
    virtual boost::asio::awaitable<bool> came_back(std::chrono::milliseconds at_most) = 0;

    // Waits until the tally is live and its counters contain everything that the transaction did. Returns false if they
    // do not by `until`. If `transaction` is given, which says that it committed, a barrier that was lost on its way
    // does no harm.
    // Errors: db::error (closed) when the set is stopped.
    virtual boost::asio::awaitable<bool> applied(std::string tally, std::optional<cache::xid> transaction,
                                                 std::chrono::steady_clock::time_point until) = 0;
};

}  // namespace pgtally
