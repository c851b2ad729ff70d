#include <pgtally/server/api/actions.hpp>
#include <pgtally/server/base/database.hpp>
#include <pgtally/server/base/database_errors.hpp>
#include <pgtally/server/base/log.hpp>
#include <pgtally/server/http/response.hpp>

#include <cstdint>
#include <tuple>
#include <utility>

namespace pgtally::server {

namespace {

using transaction_row = std::tuple<std::int64_t>;

db::pool_config settings_of(db::config database, limits const& bounds)
{
    auto settings = pool_settings(session_kind::action, std::move(database), bounds.action_timeout, bounds);
    settings.max_connections = bounds.action_connections;
    settings.max_waiting = bounds.max_waiting_actions;
    settings.acquire_timeout = bounds.action_queue_timeout;
    return settings;
}

// The answer if the statement was not sent.
response not_begun(db::error const& e, actions::order const& what)
{
    if (e.code() == db::errc::overloaded) {
        return problem(429, "too_many_requests", "too many actions wait for the database");
    }
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

}  // namespace

actions::actions(asio::any_io_executor executor, replica_set& replicas, db::config database, limits const& bounds)
    : replicas_{replicas}, bounds_{bounds}, pool_{std::move(executor), settings_of(std::move(database), bounds)}
{
}

asio::awaitable<std::optional<response>> actions::run(order what)
{
    auto const barrier = replicas_.expect_barrier();
    auto sent = co_await send(what, barrier->id());
    auto const until = std::chrono::steady_clock::now() + bounds_.applied_timeout;
    if (sent.refused && !is_unknown(*sent.refused)) co_return std::move(sent.refused);
    if (sent.refused) {
        // The barrier is part of the transaction: if it comes back, the transaction committed.
        bool const done = co_await barrier->came_back(bounds_.applied_timeout);
        if (!done) co_return std::move(sent.refused);
        log(log_level::info, "action {} of tally {}: it was done", what.action, what.tally);
    }
    bool applied = false;
    try {
        applied = co_await barrier->applied(what.tally, sent.transaction, until);
    } catch (db::error const& e) {
        log(log_level::debug, "action {} of tally {}: {}", what.action, what.tally, e.what());  // the server shuts down
    }
    if (applied) co_return std::nullopt;
    response late{.status = 202};
    late.body = R"({"committed":true,"applied":false})";
    co_return late;
}

// Sends the statement once.
asio::awaitable<actions::outcome> actions::send(order const& what, std::string const& barrier)
{
    outcome result;
    bool begun = false;
    try {
        auto const lease = co_await pool_.acquire();
        begun = true;
        // PostgreSQL runs the action, which is in FROM, before it computes the select list.
        auto const answer = co_await lease->query_as<transaction_row>(
            "select pg_current_xact_id()::text::bigint from tally.act($1, $2, $3, $4::json, $5)", what.tally,
            what.action, what.key, what.body, barrier);
        result.transaction = cache::xid{static_cast<std::uint64_t>(std::get<0>(answer.one()))};
    } catch (db::error const& e) {
        result.refused = begun ? after_error(e, what) : not_begun(e, what);
    }
    co_return result;
}

}  // namespace pgtally::server
