#pragma once

// What every request is answered with.
//
// Model: who asks (the origin rule), for what (the route), by which method; then the replicas answer by themselves, or
// the database is asked by an action or `source=database`. Knows no sockets.
//
// Guarantee: every request is answered, and by the documented codes; an exception becomes 500 and a line in the log.

#include <pgtally/cache/replica/replica_set.hpp>
#include <pgtally/server/api/actions.hpp>
#include <pgtally/server/api/bypass.hpp>
#include <pgtally/server/base/serve_options.hpp>
#include <pgtally/server/http/clients.hpp>
#include <pgtally/server/http/request.hpp>
#include <pgtally/server/http/response.hpp>
#include <pgtally/server/http/router.hpp>
#include <pgtally/server/http/target.hpp>
#include <pgtally/server/http/web_folder.hpp>
#include <pgtally/server/metrics.hpp>

#include <string>
#include <vector>

namespace pgtally::server {

class api {
public:
    // What it answers from; all of it outlives this.
    struct sources {
        serve_options const& options;
        replica_set& replicas;
        actions& acts;
        bypass& database;
        web_folder const& web;
        metrics const& measured;
        clients const& connected;
        materialize_counters const& kept;
        bool const& draining;  // not ready any more
        bool const& closing;   // no new clients any more
    };

    explicit api(sources from) : from_{from} {}

    // `asked` lives until the answer is there.
    asio::awaitable<response> answer(request const& asked);

    // Why this request may not become a WebSocket; status 101 if it may.
    response upgrade(request const& asked) const;

private:
    asio::awaitable<response> route_to(request const& asked, route const& where, target const& split);
    asio::awaitable<response> act(request const& asked, route const& where);
    asio::awaitable<response> ask_database(cache::tally const& of, std::vector<std::string> keys, bool one);
    asio::awaitable<response> read(request const& asked, route const& where, target const& split);
    response reset(route const& where);
    asio::awaitable<response> audit(route const& where);
    response not_ready() const;
    response list() const;
    response web(target const& split) const;
    response readiness(target const& split) const;

    bool refused_origin(request const& asked) const;
    response found(std::string_view segment, cache::tally*& out) const;

    sources from_;
};

}  // namespace pgtally::server
