#include <pgtally/server/api/change_watch.hpp>
#include <pgtally/server/api/long_polls.hpp>
#include <pgtally/server/api/reads.hpp>

#include <boost/asio/this_coro.hpp>

#include <memory>
#include <utility>

namespace pgtally::server {

namespace {

using clock = std::chrono::steady_clock;

long_polls::outcome outcome_of(long_poll::verdict what) noexcept
{
    return what == long_poll::verdict::unchanged ? long_polls::outcome::unchanged : long_polls::outcome::answer;
}

}  // namespace

asio::awaitable<long_polls::outcome> long_polls::wait(request const& asked, cache::tally& of,
                                                      std::vector<std::string> keys, poll_wanted wanted)
{
    long_poll rules{std::move(*wanted.since), wanted.wait, clock::now()};
    auto verdict = rules.judge(of, newest_change(of, keys), clock::now(), ending_);
    if (verdict != long_poll::verdict::wait) co_return outcome_of(verdict);
    if (waiting_.size() >= bounds_.max_long_polls) co_return outcome::too_many;

    auto const executor = co_await asio::this_coro::executor;
    auto const mine = std::make_shared<change_watch>(executor, of, keys);
    waiting_.insert(mine.get());
    std::weak_ptr const weak{mine};
    auto const leave = [weak] {
        if (auto const still = weak.lock()) still->leave();
    };
    if (asked.when_gone) asked.when_gone(leave);
    while (verdict == long_poll::verdict::wait) {
        if (rules.awaited()) mine->await(of, *rules.awaited());
        co_await mine->wait_until(rules.due());
        if (mine->dropped()) break;
        verdict = rules.judge(of, newest_change(of, keys), clock::now(), ending_ || mine->left());
    }
    waiting_.erase(mine.get());
    co_return outcome_of(verdict);
}

void long_polls::end() noexcept
{
    ending_ = true;
    for (auto* const each : waiting_) each->notify();
}

}  // namespace pgtally::server
