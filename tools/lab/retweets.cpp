#include "retweets.hpp"

#include "table.hpp"

#include <pgtally/db/attempt.hpp>

#include <memory>
#include <numeric>
#include <utility>

namespace pgtally::lab {
namespace {

using clock = std::chrono::steady_clock;

struct run {
    load work;
    std::string statement;
    progress& shown;
    retweet_outcome found{};
};

asio::awaitable<void> retweet_all(std::shared_ptr<run> of, db::connection& own, std::size_t worker)
{
    for (std::size_t i = 0; i < of->work.retweets; ++i) {
        auto const place = place_of(of->work, worker, i);
        auto const messageid = of->work.message + static_cast<std::int64_t>(place);
        auto const sent = clock::now();
        auto const answer = co_await db::attempt(own.query(of->statement, messageid));
        if (answer) {
            of->found.latencies.push_back(std::chrono::duration_cast<std::chrono::microseconds>(clock::now() - sent));
            ++of->found.acknowledged[place];
        } else if (answer.error().code() == db::errc::server_error) {
            ++of->found.errors[std::string(answer.error().state().view())];
        } else {
            throw answer.error();
        }
        of->shown.tick();
    }
}

}  // namespace

std::int64_t retweet_outcome::acknowledged_in_all() const noexcept
{
    return std::accumulate(acknowledged.begin(), acknowledged.end(), std::int64_t{0});
}

std::size_t place_of(load const& work, std::size_t worker, std::size_t retweet) noexcept
{
    return (worker * work.retweets + retweet) % work.spread;
}

cell errors_cell(std::map<std::string, std::int64_t> const& errors)
{
    boost::json::object object;
    std::string text;
    for (auto const& [state, times] : errors) {
        object[state] = times;
        text += (text.empty() ? "" : ", ") + state + " x " + number(times).text;
    }
    return {std::move(object), text.empty() ? "-" : std::move(text)};
}

boost::json::object settings_of(load const& work, std::string const& server_version)
{
    boost::json::object all;
    all["server_version"] = server_version;
    all["workers"] = work.workers;
    all["retweets"] = work.retweets;
    all["message"] = work.message;
    all["spread"] = work.spread;
    return all;
}

std::string describe(load const& work)
{
    auto text = std::to_string(work.workers) + (work.workers == 1 ? " worker, " : " workers, ") +
                std::to_string(work.retweets) + (work.retweets == 1 ? " retweet" : " retweets") + " each of message " +
                std::to_string(work.message);
    if (work.spread > 1) text += " to " + std::to_string(work.message + static_cast<std::int64_t>(work.spread) - 1);
    return text;
}

asio::awaitable<retweet_outcome> retweet(db::config settings, load work, std::string statement, progress& shown)
{
    auto const of = std::make_shared<run>(run{work, std::move(statement), shown});
    of->found.acknowledged.resize(work.spread);
    of->found.latencies.reserve(work.workers * work.retweets);
    job each = [of](db::connection& own, std::size_t worker) { return retweet_all(of, own, worker); };
    of->found.took = co_await crew(std::move(settings), work.workers, std::move(each));
    co_return std::move(of->found);
}

}  // namespace pgtally::lab
