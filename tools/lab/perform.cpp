#include "perform.hpp"

#include "experiments.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace pgtally::lab {
namespace {

// For a server: a listener, loads and a pool.
constexpr std::size_t of_a_server = 8;

// The load of an experiment that has one; null for others.
load const* load_of(experiment_options const& chosen)
{
    if (auto const* of = std::get_if<concurrency_options>(&chosen)) return &of->work;
    if (auto const* of = std::get_if<isolation_options>(&chosen)) return &of->work;
    return nullptr;
}

connection_need need_of(experiment_options const& chosen)
{
    connection_need need;
    if (auto const* work = load_of(chosen)) {
        need.workers = work->workers;
        need.may_shrink = work->default_workers;
    }
    if (std::holds_alternative<walk_options>(chosen)) need.workers = 2;
    if (std::holds_alternative<anomalies_options>(chosen)) need.workers = 3;
    if (auto const* of = std::get_if<reading_options>(&chosen)) {
        need.workers = of->writers + of->readers;
        need.who = "writers and readers";
        need.how = "--writers and --readers with a sum of";
        need.others = of_a_server;
    }
    return need;
}

}  // namespace

asio::awaitable<report> perform(laboratory& lab, experiment_options chosen, progress& shown)
{
    auto const workers = co_await lab.check_connections(need_of(chosen));
    if (auto* of = std::get_if<concurrency_options>(&chosen)) {
        of->work.workers = workers;
        auto done = co_await concurrency(lab, *of, shown);
        co_return done;
    }
    if (auto* of = std::get_if<isolation_options>(&chosen)) {
        of->work.workers = workers;
        auto done = co_await isolation(lab, *of, shown);
        co_return done;
    }
    if (auto const* of = std::get_if<reading_options>(&chosen)) {
        auto done = co_await reading(lab, *of, shown);
        co_return done;
    }
    if (auto const* of = std::get_if<anomalies_options>(&chosen)) {
        auto done = co_await anomalies(lab, *of, shown);
        co_return done;
    }
    auto done = co_await walk(lab, std::get<walk_options>(chosen));
    co_return done;
}

}  // namespace pgtally::lab
