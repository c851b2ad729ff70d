// Tries transport `wal`: a replication connection and a temporary slot, as a server opens them. Whether that works depends
// on pg_hba.conf, on a pooler and on the rights of hosting services, which no catalog tells.

#include <pgtally/cache/replica/open_transactions.hpp>
#include <pgtally/db/wal_stream.hpp>
#include <pgtally/server/base/net.hpp>
#include <pgtally/server/check/database_checks.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <variant>

namespace pgtally::server {

namespace {

using namespace std::chrono_literals;
using severity = finding::severity;

constexpr auto longest = 5s;        // for the connection and the slot
constexpr auto slot_patience = 3s;  // for transactions that are open

db::wal_stream_options what_to_try()
{
    db::wal_stream_options out;
    out.publication = "tally";
    out.prefix = "tally";
    out.slot_prefix = "pgtally_check";
    return out;
}

db::wal_stream_limits bounds()
{
    db::wal_stream_limits out;
    out.slot_patience = slot_patience;
    return out;
}

asio::awaitable<void> stop_after(db::wal_stream& which, asio::steady_timer& timer)
{
    auto const [stopped_early] = co_await timer.async_wait(as_values);
    if (!stopped_early) which.stop();
}

struct experience {
    bool streams = false;
    std::optional<db::lost> lost{};
    cache::reason waits{};  // whom the slot waits for
};

asio::awaitable<experience> listen(db::wal_stream& stream, db::connection& connection)
{
    experience result;
    for (;;) {
        auto const events = co_await stream.next();
        if (events.empty()) co_return result;
        db::backend_pid waiting{};
        for (auto const& event : events) {
            result.streams = result.streams || std::holds_alternative<db::wal::streaming>(event);
            if (auto const* const why = std::get_if<db::lost>(&event)) result.lost = *why;
            if (auto const* const wait = std::get_if<db::wal::waiting>(&event)) waiting = wait->backend;
        }
        if (result.streams || result.lost) co_return result;
        if (waiting != db::backend_pid{}) result.waits = co_await why_slot_waits(connection, waiting);
    }
}

asio::awaitable<experience> try_stream(db::connection& connection, db::config settings)
{
    auto const executor = co_await asio::this_coro::executor;
    auto const options = what_to_try();
    auto const limits = bounds();
    db::wal_stream stream{executor, std::move(settings), options, limits};
    asio::steady_timer timer{executor, longest};
    // Both coroutines end when the stream stops. It must outlive them: the loop below waits for both.
    bool run_ended = false, timer_ended = false;
    asio::co_spawn(executor, stream.run(), [&](std::exception_ptr) { run_ended = true; });
    asio::co_spawn(executor, stop_after(stream, timer), [&](std::exception_ptr) { timer_ended = true; });
    auto result = co_await listen(stream, connection);
    stream.stop();
    timer.cancel();
    asio::steady_timer turn{executor};
    while (!run_ended || !timer_ended) {
        turn.expires_after(5ms);
        co_await turn.async_wait(as_values);
    }
    co_return result;
}

struct kind_of_state {
    std::string_view state, kind;
};
constexpr std::array<kind_of_state, 6> kinds{{{"42501", "replication_right"},
                                              {"53400", "slots"},
                                              {"53300", "senders"},
                                              {"55000", "wal_level"},
                                              {"42704", "publication_missing"},
                                              {"08P01", "pooler"}}};

finding finding_of(db::lost const& why, std::string const& role)
{
    finding one{.check = "replication"};
    one.kind = "replication";
    for (auto const& each : kinds) {
        if (why.state.is(each.state)) one.kind = each.kind;
    }
    one.subject = "role " + role;
    one.message = "a replication connection, as transport wal needs one: " + why.reason;
    one.remedy = one.kind == "replication_right" ? "alter role " + role + " replication" : std::string{why.remedy};
    if (one.remedy.empty()) one.remedy = "see the log of PostgreSQL";
    return one;
}

finding slot_waits(cache::reason const& whom)
{
    finding one{.check = "replication", .how_bad = severity::warning};
    one.kind = "slot_waits";
    one.message = whom.empty() ? "a temporary replication slot was not made in time" : whom.text();
    one.remedy = "end the transactions that are open: see pg_stat_activity and pg_prepared_xacts";
    return one;
}

}  // namespace

asio::awaitable<void> check_replication(db::connection& connection, db::config settings, examination& out)
{
    // By the catalogs alone: another role may have made the schema.
    using facts_row = std::tuple<bool, bool, bool, std::string>;
    auto const rows = co_await connection.query_as<facts_row>(R"(
        select exists (select from pg_proc p join pg_namespace n on n.oid = p.pronamespace
                        where n.nspname = 'tally' and p.proname ~ '^tally_[0-9]+_' and p.prosrc ~ 'pg_logical_emit_message'),
               pg_is_in_recovery(),
               exists (select from pg_replication_slots where starts_with(slot_name::text, 'pgtally_') and active),
               quote_ident(session_user))");
    auto const& [used, standby, served, role] = rows.one();
    // What the schema found already would only be found again.
    auto const found = [&](finding const& one) {
        constexpr std::array<std::string_view, 4> known{"wal_level", "slots", "senders", "publication_missing"};
        return std::ranges::find(known, one.kind) != known.end();
    };
    if (!used || standby || std::ranges::any_of(out.found, found)) {
        out.skipped("replication", !used     ? "no tally has transport wal"
                                   : standby ? "a standby"
                                             : "PostgreSQL lacks what it needs, as the tally says");
        co_return;
    }
    auto const seen = co_await try_stream(connection, std::move(settings));
    bool const full = seen.lost && (seen.lost->state.is("53400") || seen.lost->state.is("53300"));
    // A server of pgtally has what it needs: nothing is left for this one.
    if (full && served) {
        out.saw("replication", "a server of pgtally has the last slot");
        co_return;
    }
    // The try says more than the catalog.
    if (seen.streams || seen.lost)
        std::erase_if(out.found, [](finding const& one) { return one.kind == "replication_right"; });
    out.saw("replication", seen.streams ? "a temporary slot streamed" : "");
    if (seen.streams) co_return;
    out.found.push_back(seen.lost ? finding_of(*seen.lost, role) : slot_waits(seen.waits));
}

}  // namespace pgtally::server
