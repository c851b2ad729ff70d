#include <pgtally/db/config.hpp>
#include <pgtally/db/detail/log.hpp>
#include <pgtally/db/detail/pq.hpp>
#include <pgtally/db/detail/resolve.hpp>
#include <pgtally/db/error.hpp>

namespace pgtally::db {

std::string config::redacted() const
{
    try {
        auto const options = pq::effective(pq::parse(conninfo));
        return detail::describe(detail::targets(options), options);
    } catch (error const&) {
        return "a connection string that is not valid";
    }
}

void detail::log(config const& settings, level at, std::string_view line) noexcept
{
    if (!settings.log) return;
    try {
        // A copy, because the hook may reconnect, which replaces the settings that hold it.
        auto const hook = settings.log;
        hook(at, line);
    } catch (...) {
        // A log hook that throws must not fail the operation that logs.
    }
}

void detail::log(config const& settings, level at, std::string_view line, std::string_view kind,
                 std::string_view whose) noexcept
{
    if (!settings.log) return;
    try {
        std::string all(kind);
        all.append(whose).append(": ").append(line);
        log(settings, at, all);
    } catch (...) {
        // A lack of memory for the line must not fail it either.
    }
}

}  // namespace pgtally::db
