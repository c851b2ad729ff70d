#pragma once

#include <pgtally/cache/key.hpp>
#include <pgtally/cache/subscription.hpp>
#include <pgtally/cache/tally.hpp>
#include <pgtally/db/detail/signal.hpp>
#include <pgtally/server/base/net.hpp>

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace pgtally::server {

// Wakes a coroutine when keys of a tally, or its state, may have changed.
//
// Lifetime: the tally may end first.
class change_watch final : cache::subscriber {
public:
    // Without keys: all of them. Precondition: each is the text of a key of this tally.
    change_watch(asio::any_io_executor executor, cache::tally& of, std::vector<std::string> const& keys)
        : changed_{std::move(executor)}, all_{of, *this, {.all_keys = keys.empty()}}
    {
        for (auto const& text : keys) {
            if (auto const key = cache::parse_key(of.definition().kind(), text)) all_.track(*key);
        }
    }

    // Returns after a change, a call of `notify` or of `leave`, or at that time.
    asio::awaitable<void> wait_until(std::chrono::steady_clock::time_point when) { co_await changed_.wait_until(when); }

    // Makes the wait end when the tally reaches this revision too.
    void await(cache::tally& of, std::uint64_t revision) { of.subscribers().await(revision, all_); }

    void notify() noexcept { changed_.notify(); }
    void leave() noexcept
    {
        left_ = true;
        changed_.notify();
    }

    bool left() const noexcept { return left_; }
    bool dropped() const noexcept { return all_.dropped(); }

private:
    void wake(cache::subscription&) override { changed_.notify(); }

    db::detail::signal changed_;
    cache::subscription all_;
    bool left_ = false;
};

}  // namespace pgtally::server
