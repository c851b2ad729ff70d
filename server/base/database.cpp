#include <pgtally/server/base/database.hpp>
#include <pgtally/server/base/log.hpp>

#include <utility>

namespace pgtally::server {

namespace {

log_level level_of(db::level level) noexcept
{
    switch (level) {
        case db::level::debug: return log_level::debug;
        case db::level::info: return log_level::info;
        case db::level::warn: return log_level::warn;
        case db::level::error: return log_level::error;
    }
    return log_level::info;
}

session_times times_of(std::chrono::milliseconds statement, limits const& bounds)
{
    session_times times;
    times.connect = bounds.connect_timeout;
    times.statement = statement;
    return times;
}

}  // namespace

db::config database_config(std::string const& dsn)
{
    db::config out;
    out.conninfo = dsn;
    out.log = [](db::level level, std::string_view line) { write_log(level_of(level), "database", line); };
    return out;
}

db::pool_config pool_settings(session_kind kind, db::config database, std::chrono::milliseconds statement,
                              limits const& bounds)
{
    auto const times = times_of(statement, bounds);
    database.retry.cap = bounds.reconnect_pause;

    db::pool_config settings;
    settings.connection = session_config(kind, std::move(database), times);
    settings.idle_check_after = bounds.idle_check_after;
    settings.cleanup_timeout = bounds.connect_timeout;
    settings.fail_fast = true;
    // A timer for the age of a connection would keep the program from ending after its last client has left.
    settings.max_idle = settings.max_lifetime = std::chrono::milliseconds{0};
    return settings;
}

std::vector<session_setting> action_settings(db::config const& database, limits const& bounds)
{
    return session_settings(session_kind::action, times_of(bounds.action_timeout, bounds), database.peer_timeout);
}

}  // namespace pgtally::server
