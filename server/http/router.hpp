#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace pgtally::server {

enum class route_id {
    none,     // there is no such thing
    tallies,  // all tallies
    tally,    // one of them
    keys,     // the counters of keys by `?key=`
    key,      // the counters of the key in the path
    action,   // a statement run for a key
    socket,   // the WebSocket
    livez,
    readyz,
    metrics,  // of the admin address
    reset,    // of the admin address
    audit,    // of the admin address
    web,      // the page, the browser client, the files of --web: whether there is one by that name is another question
};

struct route {
    route_id id = route_id::none;
    std::string_view pattern{};                 // for the metrics: bounded in number, whatever clients ask
    std::string_view tally{}, key{}, action{};  // segments, not yet decoded
};

// The route of a path's segments, on the admin address or on a public one.
route find_route(std::vector<std::string_view> const& path, bool admin);

// What the route can be asked by, as the field Allow has it.
std::string_view allowed_methods(route_id id, bool writable) noexcept;

}  // namespace pgtally::server
