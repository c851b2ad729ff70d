#include <pgtally/server/api/actions.hpp>
#include <pgtally/server/base/database.hpp>
#include <pgtally/server/base/database_errors.hpp>
#include <pgtally/server/base/log.hpp>
#include <pgtally/server/http/response.hpp>

#include <pgtally/cache/position.hpp>
#include <pgtally/db/detail/signal.hpp>

#include <boost/asio/co_spawn.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <tuple>
#include <utility>

namespace pgtally::server {

namespace {

using clock = std::chrono::steady_clock;
using transaction_row = std::tuple<std::int64_t>;
using batch_row = std::tuple<std::int64_t, std::vector<std::int32_t>>;

constexpr int schema_with_batches = 6;

db::pool_config settings_of(db::config database, limits const& bounds)
{
    auto settings = pool_settings(session_kind::action, std::move(database), bounds.action_timeout, bounds);
    settings.max_connections = bounds.action_connections;
    settings.max_waiting = bounds.action_connections;
    settings.acquire_timeout = bounds.action_queue_timeout;
    return settings;
}

// The answer if the statement was not sent.
response not_begun(db::error const& e, actions::order const& what)
{
    log(log_level::warn, "action {} of tally {}: {}", what.action, what.tally, e.what());
    if (e.code() == db::errc::timed_out) {
        return problem(503, "not_done", "the database is busy or cannot be reached: the action was not begun");
    }
    return problem(503, "not_done", "the database cannot be reached: the action was not begun");
}

// The answer if the statement was sent, and PostgreSQL refused it, or the connection broke and the outcome is unknown.
response after_error(db::error const& e, actions::order const& what)
{
    // The schema's SQLSTATE for a tally or an action that does not exist: it was dropped a moment ago.
    if (e.state().is("TL404")) return problem(404, "unknown_action", e.primary());
    switch (judge(e.code(), e.state())) {
        case verdict::refused:
            // The text of an error that does not come from PostgreSQL names the connection.
            return problem(422, "refused",
                           e.primary().empty() ? "PostgreSQL cannot hold a value of the request" : e.primary());
        case verdict::not_done:
            log(log_level::warn, "action {} of tally {}: {}", what.action, what.tally, e.what());
            return problem(503, "not_done",
                           "PostgreSQL did not run the action; the server's log says why. Nothing was changed.");
        case verdict::unknown: break;
    }
    log(log_level::warn, "action {} of tally {}, outcome unknown: {}", what.action, what.tally, e.what());
    return problem(504, "outcome_unknown",
                   "the connection to PostgreSQL broke before it answered: perhaps the action was done");
}

bool is_unknown(response const& of) noexcept
{
    return of.status == 504;
}

response too_many()
{
    return problem(429, "too_many_requests", "too many actions wait for the database");
}

response too_late()
{
    return problem(503, "not_done", "the database is busy or cannot be reached: the action was not begun");
}

cache::xid xid_of(std::int64_t text) noexcept
{
    return cache::xid{static_cast<std::uint64_t>(text)};
}

}  // namespace

struct actions::pending : queued_action {
    enum class step { queued, taken, done };

    pending(asio::any_io_executor executor, order of, std::string by, std::uint64_t which)
        : queued_action{std::move(of), std::move(by)}, number{which}, changed{std::move(executor)}
    {
    }

    void finish(result with)
    {
        outcome = std::move(with);
        at = step::done;
        changed.notify();
    }

    // It waits for a connection from now on.
    void wait_in_queue(limits const& bounds)
    {
        at = step::queued;
        patient_until = clock::now() + bounds.action_patience;
        queued_until = clock::now() + bounds.action_queue_timeout;
    }

    std::uint64_t const number;
    step at = step::queued;
    clock::time_point patient_until{}, queued_until{};
    result outcome;
    db::detail::signal changed;
};

actions::actions(asio::any_io_executor executor, replica_set& replicas, db::config database, limits const& bounds)
    : executor_{executor}
    , replicas_{replicas}
    , bounds_{bounds}
    , settings_{action_settings(database, bounds)}
    , pool_{std::move(executor), settings_of(std::move(database), bounds)}
    , queue_{bounds.max_waiting_actions, std::min(bounds.action_share, bounds.action_batch)}
{
}

asio::awaitable<actions::outcome> actions::run(order what)
{
    outcome out;
    auto const* const tally = replicas_.find(what.tally);
    auto by = tally == nullptr ? std::string{} : tally->definition().transport;
    auto const mine = std::make_shared<pending>(executor_, what, std::move(by), ++last_number_);
    mine->wait_in_queue(bounds_);
    if (!queue_.add(mine)) {
        out.answer = too_many();
        co_return out;
    }
    if (queue_.wants_connection(workers_ - coming_, coming_)) begin_work();
    out.answer = co_await wait_for(mine);
    if (out.answer && !is_unknown(*out.answer)) co_return out;
    auto const& sent = mine->outcome;
    if (out.answer) {
        // The barrier is part of the transaction: if it comes back, the transaction committed, and all of its actions.
        bool const done = co_await sent.barrier->came_back(bounds_.applied_timeout);
        if (!done) co_return out;
        log(log_level::info, "action {} of tally {}: it was done", what.action, what.tally);
        out.answer.reset();
    }
    bool const applied = co_await await_applied(what, sent);
    out.position = position_of(what, sent);
    if (applied) co_return out;
    out.answer.emplace();
    out.answer->status = 202;
    out.answer->body = R"({"committed":true,"applied":false)";
    auto const* const now = replicas_.find(what.tally);
    if (out.position && now != nullptr) {
        out.answer->body += R"(,"position":")" + cache::to_text({now->epoch(), *out.position}) + '"';
    }
    out.answer->body += '}';
    co_return out;
}

// Waits until the statement is answered. Returns the answer of an action that is not done, or perhaps not.
asio::awaitable<std::optional<response>> actions::wait_for(std::shared_ptr<pending> mine)
{
    while (mine->at != pending::step::done) {
        bool const queued = mine->at == pending::step::queued;
        auto const until = queued ? std::min(mine->patient_until, mine->queued_until) : clock::time_point::max();
        bool const notified = co_await mine->changed.wait_until(until);
        if (notified || mine->at != pending::step::queued) continue;
        if (until == mine->queued_until) {
            queue_.remove(mine);
            co_return too_late();
        }
        // Those before it take long.
        mine->patient_until = clock::time_point::max();
        begin_work();
    }
    co_return std::move(mine->outcome.refused);
}

asio::awaitable<bool> actions::await_applied(order const& what, result const& sent)
{
    auto const until = clock::now() + bounds_.applied_timeout;
    bool applied = false;
    try {
        if (sent.barrier) applied = co_await sent.barrier->applied(what.tally, sent.transaction, until);
        else applied = co_await replicas_.applied(what.tally, *sent.transaction, until);
    } catch (db::error const& e) {
        log(log_level::debug, "action {} of tally {}: {}", what.action, what.tally, e.what());  // the server shuts down
    }
    co_return applied;
}

std::optional<std::uint64_t> actions::position_of(order const& what, result const& sent) const
{
    auto const* const tally = replicas_.find(what.tally);
    if (tally == nullptr || !sent.barrier) return std::nullopt;
    return sent.barrier->position(*tally);
}

void actions::begin_work()
{
    if (workers_ >= bounds_.action_connections) return;
    ++workers_;
    ++coming_;
    asio::co_spawn(executor_, work(), [](std::exception_ptr defect) {
        if (defect) std::rethrow_exception(defect);
    });
}

// One connection's share of the queue. It takes actions when the connection is there, so that more of them share a
// transaction, and none waits for a connection that others do not need.
asio::awaitable<void> actions::work()
{
    do {
        db::lease lease;
        std::optional<db::error> failure;
        auto const asked = last_number_;
        try {
            lease = co_await pool_.acquire();
        } catch (db::error const& e) {
            failure = e;
        }
        --coming_;
        if (failure) {
            fail_those_before(asked, *failure);
        } else if (auto all = take(); all.size() == 1) {
            co_await send(*lease, all.front());
        } else if (!all.empty()) {
            co_await send_all(*lease, std::move(all));
        }
        ++coming_;
    } while (!queue_.empty());
    --coming_;
    --workers_;
}

// Those that are about to have a connection get a share, so that slow actions run side by side.
actions::batch actions::take()
{
    auto const share = (queue_.size() + coming_) / (coming_ + 1);
    // A schema one version back runs one action at a time.
    auto const most = replicas_.schema_version() < schema_with_batches
                          ? 1
                          : std::min(bounds_.action_batch, std::max<std::size_t>(share, 1));
    batch out;
    for (auto const& each : queue_.take(most)) {
        auto one = std::static_pointer_cast<pending>(each);
        one->at = pending::step::taken;
        one->changed.notify();
        out.push_back(std::move(one));
    }
    return out;
}

// Those that waited when the connection was asked for cannot have it.
void actions::fail_those_before(std::uint64_t number, db::error const& e)
{
    batch later;
    while (!queue_.empty()) {
        for (auto const& each : queue_.take(1)) {
            auto one = std::static_pointer_cast<pending>(each);
            if (one->number > number) later.push_back(std::move(one));
            else one->finish({.refused = not_begun(e, one->what)});
        }
    }
    for (auto& one : later) queue_.add(std::move(one));
}

// They are surely not done. They have the time of a new action to get a connection.
void actions::put_back(batch const& undone)
{
    std::vector<action_queue::item> items;
    for (auto const& one : undone) {
        one->wait_in_queue(bounds_);
        one->changed.notify();
        items.push_back(one);
    }
    queue_.put_back(items);
}

// Sends one action in a transaction of its own, once.
asio::awaitable<void> actions::send(db::connection& connection, std::shared_ptr<pending> one)
{
    auto const& what = one->what;
    result got{.barrier = replicas_.expect_barrier()};
    try {
        // PostgreSQL runs the action, which is in FROM, before it computes the select list. Names are qualified: an action can
        // set the session's path.
        auto const answer = co_await connection.query_as<transaction_row>(
            "select pg_catalog.pg_current_xact_id()::pg_catalog.text::pg_catalog.int8 "
            "from tally.act($1, $2, $3, $4::pg_catalog.json, $5)",
            what.tally, what.action, what.key, what.body, got.barrier->id());
        got.transaction = xid_of(std::get<0>(answer.one()));
    } catch (db::error const& e) {
        got.refused = after_error(e, what);
    }
    one->finish(std::move(got));
}

// Sends a batch, once. What failed in it, or all of it if it failed as a whole, is put back.
asio::awaitable<void> actions::send_all(db::connection& connection, batch all)
{
    std::vector<std::string> tallies, names, keys, bodies, settings, values;
    for (auto const& one : all) {
        tallies.push_back(one->what.tally);
        names.push_back(one->what.action);
        keys.push_back(one->what.key);
        bodies.push_back(one->what.body.value_or(""));
    }
    for (auto const& each : settings_) {
        settings.push_back(each.name);
        values.push_back(each.value);
    }
    shared_barrier const barrier{replicas_.expect_barrier()};
    std::optional<cache::xid> transaction;
    std::vector<std::int32_t> failed;
    std::optional<db::error> failure;
    try {
        auto const answer = co_await connection.query_as<batch_row>(
            "select pg_catalog.pg_current_xact_id()::pg_catalog.text::pg_catalog.int8, f "
            "from tally.act_all($1, $2, $3, $4, $5, $6, $7) as f",
            tallies, names, keys, bodies, barrier->id(), settings, values);
        auto const& [x, places] = answer.one();
        transaction = xid_of(x);
        failed = places;
    } catch (db::error const& e) {
        failure = e;
    }
    if (failure && judge(failure->code(), failure->state()) != verdict::unknown) {
        log(log_level::debug, "{} actions in one transaction were undone: {}", all.size(), failure->what());
        put_back(all);
        co_return;
    }
    batch undone;
    for (std::size_t i = 0; i < all.size(); ++i) {
        auto& one = all[i];
        auto const place = static_cast<std::int32_t>(i + 1);
        if (failure) one->finish({.refused = after_error(*failure, one->what), .barrier = barrier});
        else if (std::ranges::find(failed, place) != failed.end()) undone.push_back(one);
        // The database sends the barrier only if all are done: it must not prove what was undone.
        else one->finish({.transaction = transaction, .barrier = failed.empty() ? barrier : nullptr});
    }
    if (!undone.empty()) put_back(undone);
}

}  // namespace pgtally::server
