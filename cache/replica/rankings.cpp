// Builds the rankings that somebody asks about, some rows a turn, and drops those that nobody asks about any more.

#include <pgtally/cache/replica/replica_set_impl.hpp>

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>

namespace pgtally {

asio::awaitable<void> replica_set::impl::rank_forever()
{
    while (!stopping) {
        bool worked = false;
        auto wake_at = clock::time_point::max();
        for (auto const& [name, tally] : replicas) {
            auto& asked = tally->questions();
            asked.tidy(clock::now());
            wake_at = std::min(wake_at, asked.due());
            if (worked || !asked.has_work()) continue;
            asked.work();
            worked = true;
        }
        if (worked) {
            let_ranked_look();
            end_turn();
            co_await asio::post(executor, asio::use_awaitable);
        } else {
            co_await rank_wake.wait_until(wake_at);
        }
    }
}

// Makes each wait for a ranking look again.
void replica_set::impl::let_ranked_look() noexcept
{
    for (auto* const each : awaiting_rankings) each->notify();
}

asio::awaitable<bool> replica_set::impl::ranked(std::string name, std::string by, clock::time_point until)
{
    db::detail::signal changed{executor};
    struct place {
        explicit place(impl& of, db::detail::signal& which) : set{&of}, at{of.awaiting_rankings.insert(&which).first} {}
        place(place const&) = delete;
        place& operator=(place const&) = delete;
        ~place() { set->awaiting_rankings.erase(at); }
        impl* set;
        std::set<db::detail::signal*>::iterator at;
    };
    place const mine{*this, changed};
    for (bool in_time = true;;) {
        auto* const tally = stopping ? nullptr : find(name);
        if (tally == nullptr) co_return false;
        auto const& names = tally->definition().counters;
        auto const at = std::ranges::find(names, by);
        if (at == names.end()) co_return false;
        if (tally->questions().ranked(static_cast<std::size_t>(at - names.begin()), clock::now())) co_return true;
        if (!in_time) co_return false;
        in_time = co_await changed.wait_until(until);
    }
}

}  // namespace pgtally
