#include <pgtally/db/jitter_source.hpp>
#include <pgtally/server/audit/audit_rounds.hpp>
#include <pgtally/server/base/log.hpp>

#include <string>
#include <utility>
#include <vector>

namespace pgtally::server {

using clock = std::chrono::steady_clock;

clock::time_point next_round(clock::time_point first, std::chrono::milliseconds every, clock::time_point now) noexcept
{
    if (now < first) return first;
    return first + ((now - first) / every + 1) * every;
}

audit_rounds::audit_rounds(asio::any_io_executor executor, replica_set& replicas, std::chrono::milliseconds every,
                           std::chrono::milliseconds patience)
    : replicas_{replicas}, every_{every}, patience_{patience}, stopped_{std::move(executor)}
{
}

void audit_rounds::stop()
{
    stopping_ = true;
    stopped_.notify();
}

asio::awaitable<void> audit_rounds::run()
{
    auto random = db::jitter_source();
    auto const first = clock::now() + std::chrono::duration_cast<clock::duration>(every_ * random());
    auto next = first;
    while (!stopping_) {
        co_await stopped_.wait_until(next);
        if (!stopping_) co_await round();
        next = next_round(first, every_, clock::now());
    }
}

asio::awaitable<void> audit_rounds::round()
{
    std::vector<std::string> names;
    for (auto const& [name, tally] : replicas_.all()) names.push_back(name);
    for (auto const& name : names) {
        auto const found = co_await replicas_.audit(name, patience_);
        if (stopping_) co_return;
        // The replica set logs the audits that it begins. With these two outcomes, the audit did not begin.
        if (found.outcome == audit_outcome::not_live || found.outcome == audit_outcome::running) {
            log(log_level::warn, "tally {}: not audited this time: {}", name, found.why);
        }
    }
}

}  // namespace pgtally::server
