#include <pgtally/cache/replica/session_settings.hpp>
#include <pgtally/db/connection.hpp>
#include <pgtally/server/base/database.hpp>
#include <pgtally/server/base/database_errors.hpp>
#include <pgtally/server/base/log.hpp>
#include <pgtally/server/base/net.hpp>
#include <pgtally/server/cli/install.hpp>
#include <pgtally/server/cli/install_script.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>

#include <exception>
#include <iostream>
#include <optional>
#include <utility>

namespace pgtally::server {

namespace {

constexpr int max_attempts = 5;

bool lock_was_missing(db::error const& e) noexcept
{
    return e.state().is("55P03") || e.state().is("40P01");
}

void report(std::string_view command, std::string const& where, db::error const& e)
{
    std::cerr << "pgtally " << command << ": failed on " << where << '\n';
    std::cerr << "  why: " << (e.primary().empty() ? std::string_view{e.what()} : e.primary());
    if (!e.state().empty()) std::cerr << " (SQLSTATE " << e.state().view() << ')';
    std::cerr << '\n';
    if (!e.detail().empty()) std::cerr << "  detail: " << e.detail() << '\n';
    if (!e.hint().empty()) std::cerr << "  hint: " << e.hint() << '\n';
    auto const next = advice_on_install(e);
    if (!next.empty()) std::cerr << "  what to do: " << next << '\n';
    std::cerr << "  Nothing was changed.\n";
}

// Runs the script as one transaction. If it cannot get a lock, tries again after a pause. Returns the last error, if
// the script was not run.
asio::awaitable<std::optional<db::error>> attempt(db::config settings, std::string script, std::string_view command)
{
    using namespace std::chrono_literals;
    auto const executor = co_await asio::this_coro::executor;
    std::optional<db::error> last;
    auto pause = 250ms;
    for (int attempts = 1; attempts <= max_attempts; ++attempts) {
        db::connection connection{executor};
        try {
            auto copy = settings;
            co_await connection.connect(std::move(copy));
            co_await connection.script(script);
            co_return std::nullopt;
        } catch (db::error const& e) {
            last = e;
        }
        if (!lock_was_missing(*last) || attempts == max_attempts) break;
        std::cerr << "pgtally " << command << ": waited for a lock too long; retrying in " << pause.count() << " ms\n";
        asio::steady_timer timer{executor, pause};
        co_await timer.async_wait(as_values);
        pause *= 2;
    }
    co_return last;
}

bool run_script(std::string const& dsn, std::string script, std::string_view command)
{
    asio::io_context io{1};
    auto settings = session_config(session_kind::script, database_config(dsn));
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
    if (failure) report(command, where, *failure);
    return !failure;
}

}  // namespace

int install(install_options const& options)
{
    auto const script = install_script(schema_files(), options.grant, options.grant_create);
    if (options.print) {
        std::cout << script;
        return 0;
    }
    start_log(log_level::warn, log_format::text);
    if (!run_script(options.dsn, script, "install")) return 1;
    std::cout << "schema tally is installed in " << database_config(options.dsn).redacted() << '\n';
    return 0;
}

int uninstall(uninstall_options const& options)
{
    start_log(log_level::warn, log_format::text);
    if (!run_script(options.dsn, uninstall_script(uninstall_sql()), "uninstall")) return 1;
    std::cout << "schema tally is removed from " << database_config(options.dsn).redacted() << '\n';
    return 0;
}

}  // namespace pgtally::server
