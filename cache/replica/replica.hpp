#pragma once

// The replica of one tally, to embed in a program of your own.
//
// Model: `run` keeps a copy of the tally's counters equal to the database's, on the program's own executor. It loads
// the counters, applies each commit, and loads again after a failure. All other functions answer from memory.
//
//     pgtally::replica replica{ctx.get_executor(), {.dsn = "postgresql://...", .tally = "tweets"}};
//     co_spawn(ctx, replica.run(), ...);
//     replica.get(33)["rts"];
//     auto sub = replica.subscribe({33, 34}, [](auto const& changes) { ... });
//     co_await replica.applied(xid);
//
// Guarantees:
//
//   - A value is the truth at one snapshot of the database, plus a prefix of the commits after it. No commit is counted
//     twice. When the writers pause, the value becomes the truth.
//   - `run` ends only after `stop`, a cancellation or a defect. If the database fails, `state` and `reason` say so, and
//     the replica tries again. After a defect the replica is `failed`, and `run` throws.
//   - A callback is called at most once a turn of the event loop, with the newest values. It is not called after its
//     handle or the replica was destroyed.
//
// Not promised: that a callback sees each intermediate value, or sees keys in a particular order.
//
// Lifetime: the replica may be destroyed at any time, inside a callback too. Its destructor stops it; the coroutines
// that wait in it then end. Handles of subscriptions may outlive it.
//
// Threads: the replica starts no thread, handles no signal and has no global state. Every call, and every callback,
// runs on one implicit strand: that of the executor. On a thread pool, pass a strand (`make_strand`).
//
// Errors: an exception of a callback or of `on_state` leaves the context's run(), as an exception of any handler does.
// The replica continues. Exceptions of `log` are ignored.

#include <pgtally/cache/limits.hpp>
#include <pgtally/cache/replica/changes.hpp>
#include <pgtally/cache/replica/ranked.hpp>
#include <pgtally/cache/state.hpp>
#include <pgtally/db/config.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace pgtally {

class subscription_adapter;

class replica {
public:
    // g++ 12 destroys a config twice if it is constructed inside a co_await expression: construct it before.
    struct config {
        // A connection string of libpq: keywords or a URI ("Connection Strings" in the PostgreSQL manual). If it is
        // empty, libpq's environment variables decide.
        std::string dsn{};

        // The tally's name.
        std::string tally{};

        // How often the replica sends a barrier through the database. If three do not come back, it becomes stale.
        std::chrono::milliseconds heartbeat{5'000};

        // `max_keys_in_message` is ignored: a callback gets a snapshot in one piece.
        cache::limits limits{};

        // Takes one line of log at a time, without a line end. If it is empty, nothing is logged.
        std::function<void(db::level, std::string_view)> log{};

        // Called after `state` or `reason` changed.
        std::function<void()> on_state{};
    };

    using callback = std::function<void(changes const&)>;

    // The handle of a subscription. Destroying it, or assigning another one to it, ends the subscription.
    class [[nodiscard]] subscription {
    public:
        subscription() noexcept;
        subscription(subscription&&) noexcept;
        subscription& operator=(subscription&&) noexcept;
        ~subscription();

    private:
        friend class replica;
        explicit subscription(std::shared_ptr<subscription_adapter> which) noexcept;
        std::shared_ptr<subscription_adapter> which_;
    };

    // Does no I/O.
    //
    // Errors: throws std::invalid_argument if `chosen.tally` is empty.
    replica(boost::asio::any_io_executor executor, config chosen);
    replica(replica const&) = delete;
    replica& operator=(replica const&) = delete;
    ~replica();

    // Follows the database until `stop`. A cancelled coroutine stops the replica too.
    //
    // Errors: throws boost::system::system_error (operation_aborted) if the coroutine is cancelled; std::logic_error if
    // `run` was called before; after a defect, the exception that revealed it.
    boost::asio::awaitable<void> run();

    // Stops the replica for good. May be called at any time. The counters stay as they are and are no longer live.
    void stop();

    // The counters of a key now. Empty if the replica never loaded. All 0 if nothing was counted for the key, or if no
    // value of the tally's key type prints like the key.
    counter_values get(any_key const& key) const;

    cache::state state() const noexcept;
    std::string const& reason() const noexcept;  // why it is `stale` or `failed`, or what `loading` waits for
    std::string const& epoch() const noexcept;   // a UUID; empty until the replica has read the tally's definition
    std::uint64_t revision() const noexcept;     // grows with every change within one epoch
    std::size_t size() const noexcept;           // how many keys are not 0

    // Subscribes to these keys, or to all. The first call of `call` brings a snapshot, as soon as there are counters;
    // later calls bring changes. No call happens before `subscribe` returns. A callback may subscribe, destroy handles,
    // and stop or destroy the replica.
    //
    // Errors: throws std::length_error if there are more keys than `limits::max_tracked_keys`.
    subscription subscribe(std::vector<any_key> keys, callback call);
    subscription subscribe_all(callback call);

    // The `limit` keys that have most of a counter; the place of a key by it, and the keys up to `around` places before
    // and after. The first question about a counter ranks all keys by it, some thousands a turn, so that both are to be
    // awaited; while somebody asks, or is subscribed, the ranking is kept, and the answer is there at once. Empty if the
    // replica never loaded, was stopped, or no value of the tally's key type prints like the key.
    //
    // Errors: throw std::out_of_range if the tally has no counter of this name.
    boost::asio::awaitable<top_keys> top(std::string by, std::size_t limit);
    boost::asio::awaitable<key_rank> rank(std::string by, any_key key, std::size_t around = 0);

    // The sum over all keys of each counter, now. Empty if the replica never loaded.
    key_sums sum() const;

    // Subscribe to such an answer. The first call comes as soon as there is one, later calls when it is another; each
    // brings the whole answer. If the tally has no counter of this name, no call comes until it has.
    subscription subscribe_top(std::string by, std::size_t limit, std::function<void(top_keys const&)> call);
    subscription subscribe_rank(std::string by, any_key key, std::size_t around,
                                std::function<void(key_rank const&)> call);
    subscription subscribe_sum(std::function<void(key_sums const&)> call);

    // Read your writes: waits until the counters contain everything that a transaction did. `xid` is its id, from
    // `pg_current_xact_id()` ("Transaction ID and Snapshot Information Functions" in the PostgreSQL manual). The
    // replica asks the database whether the transaction has ended, so that the COMMIT's answer is not needed. If the
    // transaction was rolled back, `applied` returns as well. If the database has not assigned the id yet, `applied`
    // waits until it has.
    //
    // Errors: throws std::invalid_argument if `xid` is 2^63 or more; db::error: `closed` after `stop` or the replica's
    // end, `operation_aborted` if the coroutine is cancelled.
    boost::asio::awaitable<void> applied(std::uint64_t xid);

    // The same, but waits for at most this long; returns false if the transaction is not applied by then.
    boost::asio::awaitable<bool> applied(std::uint64_t xid, std::chrono::milliseconds at_most);

private:
    struct core;
    static boost::asio::awaitable<void> run(std::shared_ptr<core> of);
    static boost::asio::awaitable<bool> applied(std::shared_ptr<core> of, std::uint64_t xid,
                                                std::chrono::steady_clock::time_point until);
    static boost::asio::awaitable<void> applied(std::shared_ptr<core> of, std::uint64_t xid);
    static boost::asio::awaitable<top_keys> top(std::shared_ptr<core> of, std::string by, std::size_t limit);
    static boost::asio::awaitable<key_rank> rank(std::shared_ptr<core> of, std::string by, any_key key,
                                                 std::size_t around);
    subscription subscribe(std::shared_ptr<subscription_adapter> which);

    std::shared_ptr<core> core_;
};

}  // namespace pgtally
