#pragma once

#include <pgtally/cache/fence.hpp>
#include <pgtally/db/detail/signal.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>

namespace pgtally {

// A transaction that a caller of `replica_set::applied` waits for.
struct awaited_write {
    using clock = std::chrono::steady_clock;

    std::string tally;
    std::optional<cache::xid> transaction;
    void const* sent = nullptr;  // the barrier that the caller sent, if any
    std::size_t by = 0;          // the transport whose barrier proves the write
    clock::time_point ask_at{};  // when to send a barrier; max(): one is under way, or the caller sent it
    bool barrier_back = false;   // the barrier came back by that transport
    bool done = false;
    db::detail::signal changed;

    awaited_write(boost::asio::any_io_executor executor, std::string of, std::optional<cache::xid> x)
        : tally{std::move(of)}, transaction{x}, changed{std::move(executor)}
    {
    }

    bool needs_barrier() const noexcept { return !done && !barrier_back; }

    bool due(std::size_t transport, clock::time_point now) const noexcept
    {
        return by == transport && needs_barrier() && ask_at <= now;
    }

    // Makes a barrier due at once, if the transaction's id is known.
    void ask_again() noexcept
    {
        if (transaction && !barrier_back) ask_at = clock::time_point{};
    }

    void barrier_back_by(std::size_t transport) noexcept
    {
        by = transport;
        barrier_back = true;
    }

    // The tally follows `transport`. Returns whether that is new: then only a barrier by `transport` proves the write.
    bool come_by(std::size_t transport) noexcept
    {
        if (by == transport) return false;
        by = transport;
        barrier_back = false;
        ask_again();
        return true;
    }
};

// All awaited writes of a set by their numbers, in the order of the calls.
using awaited_writes = std::map<std::uint64_t, awaited_write>;

}  // namespace pgtally
