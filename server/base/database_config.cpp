#include <pgtally/server/base/database_config.hpp>
#include <pgtally/server/base/log.hpp>

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

}  // namespace

db::config database_config(std::string const& dsn)
{
    db::config out;
    out.conninfo = dsn;
    out.log = [](db::level level, std::string_view line) { write_log(level_of(level), line); };
    return out;
}

}  // namespace pgtally::server
