#include <pgtally/server/api/bypass.hpp>
#include <pgtally/server/base/database.hpp>
#include <pgtally/server/base/log.hpp>
#include <pgtally/server/http/problem.hpp>

#include <charconv>
#include <map>
#include <utility>

namespace pgtally::server {

namespace {

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
    if (e.state().is("57014")) return problem(503, "timeout", "PostgreSQL took too long to count");
    return problem(503, "unavailable", "PostgreSQL did not answer; the server's log says why");
}

}  // namespace

std::optional<std::vector<std::int64_t>> parse_counters(std::string_view text, std::size_t width)
{
    if (text.size() < 2 || text.front() != '{' || text.back() != '}') return std::nullopt;
    std::vector<std::int64_t> out;
    auto const* at = text.data() + 1;
    auto const* const last = text.data() + text.size() - 1;
    while (at < last) {
        auto const [end, failure] = std::from_chars(at, last, out.emplace_back());
        if (failure != std::errc{} || (end != last && *end != ',')) return std::nullopt;
        at = end == last ? last : end + 1;
    }
    if (out.size() != width) return std::nullopt;
    return out;
}

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
        auto const rows =
            co_await lease->query("select key, counters from tally.truth($1) where key = any($2::text[])", tally, keys);
        std::map<std::string_view, std::vector<std::int64_t>> found;
        for (std::size_t row = 0; row < rows.size(); ++row) {
            auto counters = parse_counters(rows.text(row, 1), width);
            if (!counters) {
                out.refused = problem(503, "unavailable", "the tally's definition changed at this moment");
                co_return out;
            }
            found.emplace(rows.text(row, 0), std::move(*counters));
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
