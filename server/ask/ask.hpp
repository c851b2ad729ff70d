#pragma once

#include <pgtally/server/ask/server_access.hpp>

#include <string>
#include <vector>

namespace pgtally::server {

struct get_options {
    server_access server;
    std::string tally;
    std::vector<std::string> keys;
    bool json = false;
};

struct top_options {
    server_access server;
    std::string tally, by;
    std::size_t limit = 10;
    bool json = false;
};

struct watch_options {
    server_access server;
    std::string tally;
    std::vector<std::string> keys;  // empty: every key
    bool json = false;
};

// `pgtally get`, `top` and `watch`: ask a server. Each returns the exit status: 0, or 1 after an error, which it prints.
int get(get_options const& chosen);
int top(top_options const& chosen);

// Until SIGINT or SIGTERM, over lost connections. On a terminal a table that changes in place, elsewhere a line for each change.
int watch(watch_options const& chosen);

}  // namespace pgtally::server
