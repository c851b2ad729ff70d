#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace pgtally::server {

enum class route_id {
    none,             // there is nothing at this path
    tallies,          // all tallies
    tally,            // one tally
    keys,             // the counters of keys by `?key=`
    key,              // the counters of the key in the path
    top,              // the first keys by a counter
    rank,             // the place of a key
    action,           // a statement run for the key in the path
    action_by_query,  // the same for the key of `?key=`
    events,           // Server-Sent Events of a tally
    socket,           // the WebSocket
    livez,
    readyz,
    metrics,  // of the admin address
    reset,    // of the admin address
    audit,    // of the admin address
    web,      // the page, the browser client, the files of --web; `web_folder` knows whether the file exists
};

struct route {
    route_id id = route_id::none;
    std::string_view pattern{};                 // a literal, for the metrics: few, whatever clients request
    std::string_view tally{}, key{}, action{};  // segments, not yet decoded
};

// The route of a path's segments, on the admin address or on a public one.
route find_route(std::vector<std::string_view> const& path, bool admin);

// The methods of the route, as the field Allow has them.
std::string_view allowed_methods(route_id id, bool writable) noexcept;

}  // namespace pgtally::server
