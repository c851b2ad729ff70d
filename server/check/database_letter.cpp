#include <pgtally/cache/replica/explain.hpp>
#include <pgtally/server/check/database_checks.hpp>
#include <pgtally/server/check/database_letter.hpp>
#include <pgtally/server/check/schema_checks.hpp>

#include <boost/asio/this_coro.hpp>

#include <utility>

namespace pgtally::server {

namespace {

void add_failure(examination& out, std::string_view check, db::error const& e)
{
    auto& one = out.found.emplace_back();
    one.check = check;
    one.message = e.what();
    one.remedy = remedy_for(e);
    if (one.remedy.empty()) one.remedy = "see the log of PostgreSQL";
}

asio::awaitable<void> check_all(db::connection& connection, db::config settings, progress& report, examination& out)
{
    co_await check_server(connection, out);
    report.step("looking at the limits of this role");
    co_await check_limits(connection, out);
    report.step("waiting for a notification");
    co_await check_notifications(connection, settings, out);
    report.step("looking at the schema");
    auto const schema = co_await check_schema(connection, out);
    if (!schema) {
        for (std::string_view const group : {"rights", "tally", "replication"})
            out.skipped(group, "the schema cannot be asked");
        co_return;
    }
    report.step("looking at the tallies");
    co_await check_tallies(connection, *schema, out);
    report.step("trying a replication slot");
    co_await check_replication(connection, std::move(settings), out);
    co_await check_senders(connection, out);
}

}  // namespace

asio::awaitable<examination> examine_database(db::config settings, progress& report)
{
    examination out;
    out.title = "the database";
    report.step("connecting to the database");
    std::string_view now = "connection";
    db::connection connection{co_await asio::this_coro::executor};
    try {
        auto copy = settings;
        co_await connection.connect(std::move(copy));
        now = "query";
        co_await check_all(connection, std::move(settings), report, out);
    } catch (db::error const& e) {
        add_failure(out, now, e);
    }
    check_process(out);
    co_return out;
}

}  // namespace pgtally::server
