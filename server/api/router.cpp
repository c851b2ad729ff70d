#include <pgtally/server/api/router.hpp>

namespace pgtally::server {

namespace {

route find_tally_route(std::vector<std::string_view> const& path, bool admin)
{
    auto const tally = path[2];
    if (path.size() == 3) {
        if (tally.empty()) return {};
        return {.id = route_id::tally, .pattern = "/v1/tallies/{tally}", .tally = tally};
    }
    auto const what = path[3];
    if (path.size() == 4 && what == "keys") {
        return {.id = route_id::keys, .pattern = "/v1/tallies/{tally}/keys", .tally = tally};
    }
    if (path.size() == 4 && what == "events") {
        return {.id = route_id::events, .pattern = "/v1/tallies/{tally}/events", .tally = tally};
    }
    if (path.size() == 4 && what == "top") {
        return {.id = route_id::top, .pattern = "/v1/tallies/{tally}/top", .tally = tally};
    }
    if (path.size() == 4 && what == "rank") {
        return {.id = route_id::rank, .pattern = "/v1/tallies/{tally}/rank", .tally = tally};
    }
    if (path.size() == 4 && what == "reset" && admin) {
        return {.id = route_id::reset, .pattern = "/v1/tallies/{tally}/reset", .tally = tally};
    }
    if (path.size() == 4 && what == "audit" && admin) {
        return {.id = route_id::audit, .pattern = "/v1/tallies/{tally}/audit", .tally = tally};
    }
    if (path.size() == 5 && what == "actions" && !path[4].empty()) {
        return {.id = route_id::action_by_query,
                .pattern = "/v1/tallies/{tally}/actions/{action}",
                .tally = tally,
                .action = path[4]};
    }
    if (path.size() == 5 && what == "keys") {
        return {.id = route_id::key, .pattern = "/v1/tallies/{tally}/keys/{key}", .tally = tally, .key = path[4]};
    }
    if (path.size() == 6 && what == "keys" && !path[5].empty()) {
        return {.id = route_id::action,
                .pattern = "/v1/tallies/{tally}/keys/{key}/{action}",
                .tally = tally,
                .key = path[4],
                .action = path[5]};
    }
    return {};
}

}  // namespace

route find_route(std::vector<std::string_view> const& path, bool admin)
{
    if (path.size() >= 2 && path[0] == "v1") {
        if (path.size() == 2 && path[1] == "ws") return {.id = route_id::socket, .pattern = "/v1/ws"};
        if (path[1] != "tallies") return {};
        if (path.size() == 2) return {.id = route_id::tallies, .pattern = "/v1/tallies"};
        return find_tally_route(path, admin);
    }
    if (path.size() == 1) {
        if (path[0] == "livez") return {.id = route_id::livez, .pattern = "/livez"};
        if (path[0] == "readyz") return {.id = route_id::readyz, .pattern = "/readyz"};
        if (path[0] == "metrics" && admin) return {.id = route_id::metrics, .pattern = "/metrics"};
    }
    return {.id = route_id::web, .pattern = "web"};
}

std::string_view allowed_methods(route_id id, bool writable) noexcept
{
    switch (id) {
        case route_id::action:
        case route_id::action_by_query: return writable ? "POST, OPTIONS" : "OPTIONS";
        case route_id::audit:
        case route_id::reset: return "POST, OPTIONS";
        case route_id::keys: return "GET, HEAD, POST, OPTIONS";
        default: return "GET, HEAD, OPTIONS";
    }
}

}  // namespace pgtally::server
