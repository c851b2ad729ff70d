#pragma once

// The replica of one tally, to embed in a program of your own.
//
// Model: `run` keeps a copy of the tally's counters in step with the database, on the program's own executor: it loads,
// follows every commit, and does both again after whatever broke. Everything else answers from memory, at once.
//
//     pgtally::replica replica{ctx.get_executor(), {.dsn = "postgresql://...", .tally = "tweets"}};
//     co_spawn(ctx, replica.run(), ...);
//     replica.get(33)["rts"];
//     auto sub = replica.subscribe({33, 34}, [](auto const& changes) { ... });
//     co_await replica.applied(xid);
//
// Guarantees
//  - A value is the truth at one moment of the database's past, plus a prefix of what was committed since: never a
//    guess, never counted twice. Once the writers pause it is the truth.
//  - `run` ends by `stop` only. What is wrong with the database is in `state` and `reason`, and is tried again.
//  - A function that was subscribed is called once per turn of the loop at most, with the newest values, and never
//    again after its handle, or the replica, was destroyed. It may subscribe, destroy handles, stop and destroy the
//    replica. What it throws comes out of the context's run(), as of any handler.
//  - The replica may be destroyed at any time: that is a `stop`, and what waits in it ends by itself.
//
// Not promised: that every value in between is told. That keys come in an order.
//
// Threads: none of its own, no signal handler, no global. All calls on one implicit strand, the executor's: on a thread
// pool pass a `make_strand`.

#include <pgtally/cache/limits.hpp>
#include <pgtally/cache/replica/changes.hpp>
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
    // Under g++ 12 make it before, not in, a co_await expression.
    struct config {
        std::string dsn{};    // libpq's keywords or a URI; empty: libpq's environment
        std::string tally{};  // its name

        // A barrier goes through the database so often; when three do not come back, the replica is stale.
        std::chrono::milliseconds heartbeat{5'000};

        // Of these `max_keys_in_message` has no meaning here.
        cache::limits limits{};

        // One line at a time, without a line end. Empty: silence.
        std::function<void(db::level, std::string_view)> log{};

        // Called when `state` or `reason` is another one than before.
        std::function<void()> on_state{};
    };

    using callback = std::function<void(changes const&)>;

    // Keeps a subscription: what it destroys, or replaces, is not called any more. It may outlive the replica.
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
    replica(boost::asio::any_io_executor executor, config chosen);
    replica(replica const&) = delete;
    replica& operator=(replica const&) = delete;
    ~replica();

    // Ends by `stop`, or when its coroutine is cancelled, which is a `stop` and throws operation_aborted. Once only: a
    // second one throws std::logic_error.
    boost::asio::awaitable<void> run();

    // For good; safe at any time. Numbers stay as they are, no longer live.
    void stop();

    // The counters of a key now. None if the replica never loaded; all 0 for a key that nothing was counted for, or
    // that no key of this tally can be.
    counter_values get(any_key const& key) const;

    cache::state state() const noexcept;
    std::string const& reason() const noexcept;  // beside `stale` and `failed`; also beside `loading`, if it is stuck
    std::string const& epoch() const noexcept;   // a UUID; empty while the tally is not known
    std::uint64_t revision() const noexcept;     // grows with every change, within one epoch
    std::size_t size() const noexcept;           // keys that are not 0

    // Calls `call` for these keys, or for all: first, as soon as there are numbers, with a snapshot, and then with what
    // changed. Never before this returns. Throws std::length_error for more than `limits::max_tracked_keys` keys.
    subscription subscribe(std::vector<any_key> keys, callback call);
    subscription subscribe_all(callback call);

    // Read your writes: returns once all that the transaction with this id (`pg_current_xact_id()`) did is in the
    // counters. It is asked of the database whether the transaction has ended, so that an id may be awaited whose
    // COMMIT was not answered; one that was rolled back is awaited too, to no effect. An id that this database never
    // gave out is awaited until it does.
    // Throws db::error: closed by `stop` or the replica's end, operation_aborted when the coroutine is cancelled.
    boost::asio::awaitable<void> applied(std::uint64_t xid);

    // The same for so long at most; false: not yet.
    boost::asio::awaitable<bool> applied(std::uint64_t xid, std::chrono::milliseconds at_most);

private:
    struct core;
    static boost::asio::awaitable<void> run(std::shared_ptr<core> of);
    static boost::asio::awaitable<bool> applied(std::shared_ptr<core> of, std::uint64_t xid,
                                                std::chrono::steady_clock::time_point until);
    static boost::asio::awaitable<void> applied(std::shared_ptr<core> of, std::uint64_t xid);
    subscription subscribe(std::shared_ptr<subscription_adapter> which);

    std::shared_ptr<core> core_;
};

}  // namespace pgtally
