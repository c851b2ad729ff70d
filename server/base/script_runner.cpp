#include <pgtally/db/connection.hpp>
#include <pgtally/server/base/database_config.hpp>
#include <pgtally/server/base/net.hpp>
#include <pgtally/server/base/script_runner.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>

#include <exception>
#include <iostream>
#include <optional>
#include <utility>

namespace pgtally::server {

namespace {

constexpr int most_attempts = 5;

bool lock_was_missing(db::error const& e) noexcept
{
    return e.state().is("55P03") || e.state().is("40P01");
}

void tell(std::string_view command, std::string const& where, db::error const& e)
{
    std::cerr << "pgtally " << command << ": failed on " << where << '\n';
    std::cerr << "  why: " << (e.primary().empty() ? std::string_view{e.what()} : e.primary());
    if (!e.state().empty()) std::cerr << " (SQLSTATE " << e.state().view() << ')';
    std::cerr << '\n';
    if (!e.detail().empty()) std::cerr << "  detail: " << e.detail() << '\n';
    if (!e.hint().empty()) std::cerr << "  hint: " << e.hint() << '\n';
    auto const next = advice(e.code(), e.state());
    if (!next.empty()) std::cerr << "  what to do: " << next << '\n';
    std::cerr << "  Nothing was changed.\n";
}

// Nothing if it was done, else the last error.
asio::awaitable<std::optional<db::error>> attempt(db::config settings, std::string script, std::string_view command)
{
    using namespace std::chrono_literals;
    auto const executor = co_await asio::this_coro::executor;
    std::optional<db::error> last;
    auto pause = 250ms;
    for (int attempts = 1; attempts <= most_attempts; ++attempts) {
        db::connection connection{executor};
        try {
            auto copy = settings;
            co_await connection.connect(std::move(copy));
            co_await connection.script(script);
            co_return std::nullopt;
        } catch (db::error const& e) {
            last = e;
        }
        if (!lock_was_missing(*last) || attempts == most_attempts) break;
        std::cerr << "pgtally " << command << ": waited for a lock too long, again in " << pause.count() << " ms\n";
        asio::steady_timer timer{executor, pause};
        co_await timer.async_wait(as_values);
        pause *= 2;
    }
    co_return last;
}

}  // namespace

std::string_view advice(db::error_code const& what, db::sqlstate const& state) noexcept
{
    if (state.is("55P03") || state.is("40P01")) {
        return "a transaction holds a lock for long: see pg_stat_activity for whose, and try again when it has ended";
    }
    if (state.is("42501"))
        return "run it as the schema's owner, or as a role that may create schemas here: grant create on database";
    if (state.is("3D000")) return "name a database that exists, by --dsn or PGDATABASE";
    if (state.is("42704")) return "create the role that --grant or --grant-create names first";
    if (state.in_class("28")) return "check user, password and pg_hba.conf";
    if (state.is("25006")) return "name the primary: this server is a standby, or read only";
    if (what == db::errc::bad_config) return "check --dsn, PGTALLY_DSN or DATABASE_URL";
    if (what == db::errc::connect_failed || what == db::errc::timed_out)
        return "check host and port, and that PostgreSQL runs there";
    return {};
}

bool run_script(std::string const& dsn, std::string script, std::string_view command)
{
    asio::io_context io{1};
    auto settings = database_config(dsn);
    auto const where = settings.redacted();
    std::optional<db::error> failure;
    std::exception_ptr defect;
    asio::co_spawn(io, attempt(std::move(settings), std::move(script), command),
                   [&](std::exception_ptr thrown, std::optional<db::error> outcome) {
                       defect = thrown;
                       failure = std::move(outcome);
                   });
    io.run();
    if (defect) std::rethrow_exception(defect);
    if (failure) tell(command, where, *failure);
    return !failure;
}

}  // namespace pgtally::server
