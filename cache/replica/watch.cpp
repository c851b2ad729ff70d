// Reads the problems that the database reports for its tallies.

#include <pgtally/cache/problem_news.hpp>
#include <pgtally/cache/replica/replica_set_impl.hpp>

#include <algorithm>
#include <utility>

namespace pgtally {

namespace {

// The pause after a look is the longer of a heartbeat's interval and this factor times the duration of the look. Looks
// therefore use at most 2 % of the connection's time.
constexpr int rest_per_look = 50;

}  // namespace

// If the database reports an error or the look times out, returns no problems, which changes nothing.
asio::awaitable<std::vector<tally_problems>> replica_set::impl::look_for_problems(db::connection& connection,
                                                                                  int version)
{
    std::vector<tally_problems> found;
    auto const began = clock::now();
    std::string trouble;
    connection.set_timeout(settings.heartbeat);
    try {
        found = co_await read_problems(connection, version);
    } catch (db::error const& e) {
        if (e.code() != db::errc::server_error && e.code() != db::errc::timed_out) throw;
        trouble = std::string{"cannot look for problems of tallies: "} + e.what();
    }
    auto const took = std::chrono::duration_cast<std::chrono::milliseconds>(clock::now() - began);
    next_look = clock::now() + std::max(settings.heartbeat, took * rest_per_look);
    if (!trouble.empty() && trouble != look_trouble) log(db::level::warn, trouble);
    look_trouble = std::move(trouble);
    co_return found;
}

void replica_set::impl::take_problems(std::vector<tally_problems> const& found)
{
    for (auto const& one : found) {
        auto* const tally = find(one.name);
        if (tally != nullptr) take_problems(one, *tally);
    }
}

void replica_set::impl::take_problems(tally_problems const& found, cache::tally& tally)
{
    auto& known = known_problems[found.name];
    auto const news = news_of(known, found.all);
    for (auto const& each : news.appeared) {
        log(each == found.lost_source ? db::level::error : db::level::warn, "tally " + found.name + ": " + each);
    }
    for (auto const& each : news.gone) log(db::level::info, "tally " + found.name + ": problem resolved: " + each);
    known = found.all;
    counted.tallies[found.name].problems = found.all.size();

    if (found.lost_source) {
        schedule.hold(found.name);
        tally.fail({cache::reason::kind::source_lost, *found.lost_source});
        give_up_load(found.name);
        return;
    }
    schedule.release(found.name);
    if (fail_without_transport(tally)) return;
    if (concerns_partitions(news) && !schedule.wanted(found.name)) want_load(found.name, load_cause::reload);
}

}  // namespace pgtally
