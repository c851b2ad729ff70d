#include "all.hpp"

#include "machine.hpp"
#include "perform.hpp"
#include "server_facts.hpp"

#include <boost/asio/this_coro.hpp>

#include <ctime>
#include <exception>
#include <string>
#include <utility>

namespace pgtally::lab {
namespace {

std::string now_text()
{
    auto const now = std::time(nullptr);
    std::tm parts{};
    ::gmtime_r(&now, &parts);
    char text[64];
    std::strftime(text, sizeof text, "%Y-%m-%d %H:%M UTC", &parts);
    return text;
}

struct naming {
    char const* operator()(concurrency_options const&) const { return "concurrency"; }
    char const* operator()(isolation_options const&) const { return "isolation"; }
    char const* operator()(walk_options const&) const { return "isolation --walk"; }
    char const* operator()(reading_options const&) const { return "reading"; }
    char const* operator()(anomalies_options const&) const { return "anomalies"; }
};

asio::awaitable<report> one_of_them(laboratory& lab, experiment_options chosen, progress& shown, bool after_a_failure)
{
    report failed{std::visit(naming(), chosen)};
    try {
        if (after_a_failure) co_await lab.recover();
        auto done = co_await perform(lab, std::move(chosen), shown);
        co_return done;
    } catch (std::exception const& why) {
        failed.failure = why.what();
    }
    auto const state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none)
        throw db::error(asio::error::operation_aborted, "cancelled");
    shown.end();
    co_return failed;
}

}  // namespace

asio::awaitable<whole> all_experiments(laboratory& lab, all_options chosen, progress& shown)
{
    whole found;
    found.begun = now_text();
    found.machine = machine_facts();
    found.server = co_await server_facts(lab, shown);
    bool failed = false;
    for (auto const& each : chosen.experiments) {
        auto done = co_await one_of_them(lab, each, shown, failed);
        failed = !done.failure.empty();
        found.reports.push_back(std::move(done));
    }
    co_return found;
}

}  // namespace pgtally::lab
