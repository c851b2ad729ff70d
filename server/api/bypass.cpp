#include <pgtally/server/api/bypass.hpp>
#include <pgtally/server/base/database.hpp>
#include <pgtally/server/base/log.hpp>
#include <pgtally/server/http/response.hpp>

#include <map>
#include <string_view>
#include <tuple>
#include <utility>

namespace pgtally::server {

namespace {

using truth_row = std::tuple<std::string_view, std::vector<std::int64_t>>;

db::pool_config settings_of(db::config database, limits const& bounds)
{
    auto settings = pool_settings(session_kind::bypass, std::move(database), bounds.bypass_timeout, bounds);
    settings.max_connections = bounds.bypass_connections;
    settings.max_waiting = bounds.max_waiting_bypass;
    settings.acquire_timeout = bounds.bypass_queue_timeout;
    return settings;
}

bool is_busy(db::error const& e)
{
    return e.code() == db::errc::overloaded || e.code() == db::errc::timed_out;
}

response after_error(db::error const& e)
{
    log(log_level::warn, "source=database: {}", e.what());
    if (e.state().is("57014") || e.state().is("55P03"))
        return problem(503, "timeout", "PostgreSQL took too long to count");
    return problem(503, "unavailable", "PostgreSQL did not answer; the server's log says why");
}

}  // namespace

bypass::bypass(asio::any_io_executor executor, db::config database, limits const& bounds)
    : pool_{std::move(executor), settings_of(std::move(database), bounds)}
{
}

asio::awaitable<bypass::answer> bypass::ask(std::string tally, std::size_t width, std::vector<std::string> keys)
{
    answer out;
    bool acquired = false;
    try {
        auto const lease = co_await pool_.acquire();
        acquired = true;
        auto const rows = co_await lease->query_as<truth_row>(
            "select key, counters from tally.truth($1) where key = any($2::text[])", tally, keys);
        std::map<std::string_view, std::vector<std::int64_t>> found;
        for (auto [key, counters] : rows) {
            if (counters.size() != width) {
                out.refused = problem(503, "unavailable", "the tally's definition changed at this moment");
                co_return out;
            }
            found.emplace(key, std::move(counters));
        }
        for (auto const& key : keys) {
            auto const at = found.find(key);
            out.counters.push_back(at == found.end() ? std::vector<std::int64_t>(width, 0) : at->second);
        }
    } catch (db::error const& e) {
        out.refused = !acquired && is_busy(e) ? problem(503, "busy", "too many requests ask the database itself")
                                              : after_error(e);
    }
    co_return out;
}

}  // namespace pgtally::server
