#include <pgtally/cache/replica/session_settings.hpp>
#include <pgtally/server/base/log.hpp>
#include <pgtally/server/materialize/materializers.hpp>

#include <boost/asio/co_spawn.hpp>

#include <algorithm>
#include <exception>
#include <utility>

namespace pgtally::server {

namespace {

db::config settings_of(db::config database, std::chrono::milliseconds every, limits const& bounds)
{
    session_times times;
    times.connect = bounds.connect_timeout;
    times.statement = bounds.materialize_timeout;
    times.lock = bounds.materialize_lock_timeout;
    // Each round runs statements. If a session runs none for some rounds, it is stuck.
    times.idle = bounds.materialize_timeout + every * 3;
    return session_config(session_kind::materializer, std::move(database), times);
}

void report_defect(std::string const& tally, std::exception_ptr const& failure)
{
    std::string why{"an exception of an unknown type"};
    try {
        std::rethrow_exception(failure);
    } catch (std::exception const& e) {
        why = e.what();
    } catch (...) {
    }
    log(log_level::error, "tally {}: its materialization ended because of a defect, and is started again: {}", tally,
        why);
}

}  // namespace

materializers::materializers(asio::any_io_executor executor, replica_set& replicas, db::config database,
                             std::chrono::milliseconds every, limits const& bounds)
    : executor_{std::move(executor)}
    , replicas_{replicas}
    , database_{settings_of(std::move(database), every, bounds)}
    , every_{every}
    , bounds_{bounds}
    , wake_{executor_}
{
}

asio::awaitable<void> materializers::run()
{
    while (!ending_) {
        start_missing();
        auto const pause = std::min(every_, std::chrono::milliseconds{bounds_.materialize_look});
        co_await wake_.wait_until(std::chrono::steady_clock::now() + pause);
    }
    while (busy() > 0) co_await wake_.wait();
}

void materializers::start_missing()
{
    for (auto const& [name, tally] : replicas_.all()) {
        if (!tally->definition().materialize.empty() && !all_.contains(name)) start(name);
    }
}

void materializers::start(std::string const& name)
{
    materializer::sources const with{replicas_, database_, every_, bounds_, counted_};
    auto const& one = all_.emplace(name, std::make_unique<materializer>(executor_, with, name)).first->second;
    counted_.tallies.try_emplace(name);
    auto const on_end = [this, name](std::exception_ptr failure) {
        all_.erase(name);
        if (replicas_.find(name) == nullptr) counted_.tallies.erase(name);
        // After a defect the next look starts it again: without the pause it could fail without end.
        if (!failure || ending_) wake_.notify();
        if (failure) report_defect(name, failure);
    };
    asio::co_spawn(executor_, one->run(), on_end);
}

void materializers::on_replicas_changed() noexcept
{
    if (!knows_tallies_ && replicas_.knows_tallies()) {
        knows_tallies_ = true;
        wake_.notify();
    }
    for (auto const& [name, one] : all_) one->on_replicas_changed();
}

void materializers::full_pass(std::string_view tally) noexcept
{
    auto const at = all_.find(tally);
    if (at != all_.end()) at->second->full_pass();
}

materialize_counters const& materializers::stats()
{
    for (auto& [name, of] : counted_.tallies) {
        auto const one = all_.find(name);
        of.writes = one != all_.end() && one->second->writes();
        of.pending = one == all_.end() ? 0 : one->second->pending();
    }
    return counted_;
}

void materializers::hurry() noexcept
{
    for (auto const& [name, one] : all_) one->hurry();
}

void materializers::finish() noexcept
{
    ending_ = true;
    wake_.notify();
    for (auto const& [name, one] : all_) one->finish();
}

void materializers::cut() noexcept
{
    finish();
    for (auto const& [name, one] : all_) one->cut();
}

}  // namespace pgtally::server
