#include <pgtally/cache/replica/explain.hpp>
#include <pgtally/server/base/database.hpp>
#include <pgtally/server/check/check.hpp>
#include <pgtally/server/check/database_checks.hpp>
#include <pgtally/server/check/schema_checks.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/this_coro.hpp>

#include <cstdlib>
#include <exception>
#include <iostream>
#include <utility>

namespace pgtally::server {

namespace {

void add_failure(findings& out, std::string_view check, db::error const& e)
{
    auto& one = out.emplace_back();
    one.check = check;
    one.message = e.what();
    one.remedy = remedy_for(e);
    if (one.remedy.empty()) one.remedy = "see the log of PostgreSQL";
}

asio::awaitable<findings> find_all(db::config settings)
{
    findings out;
    db::connection connection{co_await asio::this_coro::executor};
    try {
        auto copy = settings;
        co_await connection.connect(std::move(copy));
    } catch (db::error const& e) {
        add_failure(out, "connection", e);
        co_return out;
    }
    try {
        co_await check_server(connection, out);
        co_await check_limits(connection, out);
        co_await check_notifications(connection, settings, out);
        auto const schema = co_await check_schema(connection, out);
        if (schema) {
            co_await check_tallies(connection, *schema, out);
            co_await check_replication(connection, std::move(settings), out);
            co_await check_senders(connection, out);
        }
    } catch (db::error const& e) {
        add_failure(out, "query", e);
    }
    co_return out;
}

}  // namespace

int check(check_options const& options)
{
    // A standby is a finding. By default the client would look for another host.
    ::setenv("PGTARGETSESSIONATTRS", "any", 0);
    asio::io_context io{1};
    findings found;
    std::exception_ptr failure;
    auto settings = session_config(session_kind::check, database_config(options.dsn));
    asio::co_spawn(io, find_all(std::move(settings)), [&](std::exception_ptr thrown, findings outcome) {
        failure = thrown;
        found = std::move(outcome);
    });
    io.run();
    if (failure) std::rethrow_exception(failure);
    std::cout << (options.json ? json_of(found) : text_of(found));
    return all_good(found) ? 0 : 1;
}

}  // namespace pgtally::server
