#include <pgtally/server/base/pool_settings.hpp>

#include <utility>

namespace pgtally::server {

db::pool_config pool_settings(db::config database, std::string application_name, std::chrono::milliseconds statement,
                              limits const& bounds)
{
    database.application_name = std::move(application_name);
    database.connect_timeout = bounds.connect_timeout;
    // Beyond the server's own timeout: the connection is dead or stalled, and the outcome not known.
    database.query_timeout = statement + bounds.connect_timeout;
    database.on_connect.push_back("set statement_timeout = " + std::to_string(statement.count()));
    database.retry.cap = bounds.reconnect_pause;

    db::pool_config settings;
    settings.connection = std::move(database);
    settings.idle_check_after = bounds.idle_check_after;
    settings.cleanup_timeout = bounds.connect_timeout;
    settings.fail_fast = true;
    // A timer for a connection's age would keep the program from ending when all its clients have gone.
    settings.max_idle = settings.max_lifetime = std::chrono::milliseconds{0};
    return settings;
}

}  // namespace pgtally::server
