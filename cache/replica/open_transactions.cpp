#include <pgtally/cache/replica/open_transactions.hpp>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <tuple>

namespace pgtally {

namespace {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;

constexpr clock::duration first_pause = 1ms, longest_pause = 250ms, names_after = 1s;

// pg_stat_activity shows everybody who a session is, and to its own role and to monitors since when its transaction is open.
constexpr char const* named =
    "format('process %s of role %s in database %s', a.pid, a.usename, a.datname) || "
    "coalesce(format(', open since %s', date_trunc('second', a.xact_start)), '')";

std::string select_holder()
{
    return std::string{"select coalesce((select "} + named +
           " from pg_locks l join pg_stat_activity a on a.pid = l.pid where l.locktype = 'transactionid' and l.granted"
           " and l.transactionid = o.x limit 1),"
           " (select format('prepared transaction %L of role %s in database %s', p.gid, p.owner, p.database)"
           " from pg_prepared_xacts p where p.transaction = o.x), 'transaction ' || o.x::text)"
           " from (select pg_snapshot_xmin(pg_current_snapshot())::xid as x) as o";
}

std::string select_blockers()
{
    return std::string{"select string_agg(coalesce((select "} + named +
           " from pg_stat_activity a where a.pid = b.pid), (select string_agg(format('prepared transaction %L of role %s"
           " in database %s', p.gid, p.owner, p.database), ', ') from pg_prepared_xacts p join pg_locks l"
           " on l.transactionid = p.transaction where l.pid = $1 and not l.granted), 'a transaction'), ', ')"
           " from unnest(pg_blocking_pids($1)) as b (pid)";
}

cache::reason waits_for(std::string const& what, std::string const& whom)
{
    return {cache::reason::kind::old_writer, what + " waits until transactions end that were open before: " + whom +
                                                 "; let them commit or roll back, or end them by pg_terminate_backend"};
}

}  // namespace

boost::asio::awaitable<void> await_open_transactions(db::connection& connection,
                                                     std::function<bool(cache::reason)> waits)
{
    using row = std::tuple<std::string>;
    using answer = std::tuple<bool>;
    auto const drawn = co_await connection.query_as<row>("select pg_current_xact_id()::text");
    auto const mine = std::get<0>(drawn.one());
    boost::asio::steady_timer timer{co_await boost::asio::this_coro::executor};
    auto pause = first_pause;
    auto tell_at = clock::now() + names_after;
    for (;;) {
        auto const seen =
            co_await connection.query_as<answer>("select pg_snapshot_xmin(pg_current_snapshot()) > $1::xid8", mine);
        if (std::get<0>(seen.one())) co_return;
        if (clock::now() >= tell_at) {
            tell_at = clock::now() + names_after;
            auto const statement = select_holder();
            auto const holder = co_await connection.query_as<row>(statement);
            if (!waits(waits_for("a load by wal", std::get<0>(holder.one())))) co_return;
        }
        timer.expires_after(pause);
        co_await timer.async_wait(boost::asio::use_awaitable);
        pause = std::min(pause * 2, longest_pause);
    }
}

boost::asio::awaitable<cache::reason> why_slot_waits(db::connection& connection, db::backend_pid who)
{
    using row = std::tuple<std::optional<std::string>>;
    auto const statement = select_blockers();
    auto const pid = static_cast<std::int32_t>(who);
    auto const found = co_await connection.query_as<row>(statement, pid);
    auto const whom = std::get<0>(found.one());
    co_return whom ? waits_for("the replication slot", *whom) : cache::reason{};
}

}  // namespace pgtally
