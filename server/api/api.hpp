#pragma once

// The answer to every request.
//
// Model: the api checks the host and the origin first, then the route, the method, and the token. The replicas alone answer most requests. An
// action and `source=database` go to the database. This class knows no sockets.
//
// Guarantee: every request is answered, with a documented code. An exception becomes 500 and a line in the log.

#include <pgtally/cache/replica/replica_set.hpp>
#include <pgtally/server/api/actions.hpp>
#include <pgtally/server/api/api_query.hpp>
#include <pgtally/server/api/bypass.hpp>
#include <pgtally/server/api/long_polls.hpp>
#include <pgtally/server/api/router.hpp>
#include <pgtally/server/auth/authority.hpp>
#include <pgtally/server/base/serve_options.hpp>
#include <pgtally/server/http/refused_origins.hpp>
#include <pgtally/server/http/request_handler.hpp>
#include <pgtally/server/http/target.hpp>
#include <pgtally/server/http/web_folder.hpp>
#include <pgtally/server/sse/sse_server.hpp>

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace pgtally::server {

class api final : public request_handler {
public:
    // Lifetime: all referenced objects outlive the api.
    struct sources {
        serve_options const& options;
        replica_set& replicas;
        actions& acts;
        bypass& database;
        sse_server& events;
        web_folder const& web;
        refused_origins& refused;
        authority const& who_may;
        std::function<std::string(bool open)> metrics_text;  // `open`: in the format OpenMetrics
        std::function<void(double)> on_action;  // the seconds until an action was applied, or was known not to be done
        bool const& draining;                   // not ready any more
        bool const& closing;                    // no new clients any more
    };

    explicit api(sources from) : from_{std::move(from)}, polls_{from_.options.bounds} {}

    asio::awaitable<response> answer(request& asked) override;
    std::optional<response> judge_upgrade(request& asked) const override;
    std::size_t body_limit(method verb, std::string_view target) const override;

    // How many requests wait for a change.
    std::size_t waits() const noexcept { return polls_.size(); }

    // Answers the requests that wait for a change. To be called when the server takes no new clients any more.
    void end_waits() noexcept { polls_.end(); }

private:
    asio::awaitable<response> route_to(request const& asked, route const& where, target const& split);
    asio::awaitable<response> act(request const& asked, route const& where, target const& split);
    asio::awaitable<response> await_position(request const& asked, std::string name, cache::since_point at);
    asio::awaitable<response> ask_database(cache::tally const& of, std::vector<std::string> keys, bool one);
    asio::awaitable<response> read(request const& asked, route const& where, target const& split);
    response events(request const& asked, route const& where, target const& split);
    response find_subject(request const& asked, route const& where, target const& split, cache::tally*& of,
                          subject& what) const;
    response find_readable(request const& asked, route const& where, target const& split, cache::tally*& of,
                           subject& what) const;
    response refuse_subject(request const& asked, std::string const& name, route const& where,
                            subject const& what) const;
    response refuse_bypass(request const& asked, route const& where) const;
    asio::awaitable<response> await_ranking(std::string name, std::string by);
    asio::awaitable<response> answer_change(request const& asked, route const& where, target const& split,
                                            cache::tally& of, subject what, poll_wanted wanted);
    response reset(request const& asked, route const& where);
    asio::awaitable<response> audit(request const& asked, route const& where);
    response not_ready(audience who) const;
    response list(request const& asked) const;
    response web(request const& asked, target const& split) const;
    bool has_file(target const& split) const;
    response readiness(request const& asked, target const& split) const;

    std::optional<response> refuse_page(request const& asked, bool for_everybody) const;
    std::optional<response> admit_to(request& asked, route_id where) const;
    bool depends_on_token(request const& asked, route const& where) const;
    response found(request const& asked, std::string_view segment, cache::tally*& out) const;

    sources from_;
    std::size_t waiting_reads_ = 0;  // for a position or a ranking
    long_polls polls_;
};

}  // namespace pgtally::server
