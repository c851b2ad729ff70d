#include <pgtally/server/api/api.hpp>
#include <pgtally/server/api/api_query.hpp>
#include <pgtally/server/api/audit_answer.hpp>
#include <pgtally/server/api/reads.hpp>
#include <pgtally/server/base/log.hpp>
#include <pgtally/server/http/origin.hpp>
#include <pgtally/server/http/response.hpp>

#include <exception>
#include <utility>

namespace pgtally::server {

namespace {

response bad_origin(bool admin)
{
    return problem(403, "bad_origin",
                   admin ? "the admin address is not for browsers: it answers no request with an Origin"
                         : "this origin is not allowed; the server's option --allow-origin lists those that are");
}

response not_found()
{
    return problem(404, "not_found", "there is nothing at this address");
}

response not_allowed(std::string_view allowed, std::string_view why)
{
    auto out = problem(405, "method_not_allowed", why);
    out.fields.emplace_back("Allow", allowed);
    return out;
}

// OPTIONS: the methods of this address, for preflight requests too.
response options_answer(request const& asked, std::string_view allowed)
{
    response out{.status = 204};
    out.fields.emplace_back("Allow", allowed);
    if (asked.origin && asked.preflight) {
        out.fields.emplace_back("Access-Control-Allow-Methods", allowed);
        out.fields.emplace_back("Access-Control-Allow-Headers", "Content-Type, If-None-Match");
        out.fields.emplace_back("Access-Control-Max-Age", "600");
    }
    return out;
}

void add_common_fields(response& to, request const& asked, bool for_everybody)
{
    to.fields.emplace_back("Cache-Control", "no-cache");
    to.fields.emplace_back("Vary", "Origin");
    if (for_everybody) {
        to.fields.emplace_back("Access-Control-Allow-Origin", "*");
    } else if (asked.origin && to.status != 403) {
        to.fields.emplace_back("Access-Control-Allow-Origin", *asked.origin);
        to.fields.emplace_back("Access-Control-Expose-Headers", "ETag, Retry-After");
    }
    to.fields.emplace_back("X-Content-Type-Options", "nosniff");
}

bool is_client_script(target const& split)
{
    return split.path.size() == 1 && split.path[0] == "pgtally.js";
}

// Nothing if the path has an invalid escape.
std::optional<std::vector<std::string>> decoded_path(target const& split)
{
    std::vector<std::string> out;
    for (auto const segment : split.path) {
        auto decoded = percent_decoded(segment);
        if (!decoded) return std::nullopt;
        out.push_back(std::move(*decoded));
    }
    return out;
}

bool takes(route_id id, method verb, bool writable)
{
    if (id == route_id::action) return writable && verb == method::post;
    if (id == route_id::reset || id == route_id::audit) return verb == method::post;
    return verb == method::get || verb == method::head;
}

}  // namespace

bool api::refused_origin(request const& asked) const
{
    if (!asked.origin) return false;
    return asked.admin || !origin_allowed(*asked.origin, asked.host, from_.options.allow_origin);
}

asio::awaitable<response> api::answer(request const& asked)
{
    response out;
    auto const split = split_target(asked.target);
    bool const for_everybody = split && is_client_script(*split) && !asked.admin;
    auto const where = split ? find_route(split->path, asked.admin) : route{};
    bool const writable = from_.options.writable;
    if (!for_everybody && refused_origin(asked)) {
        out = bad_origin(asked.admin);
    } else if (asked.target == "*" && asked.verb == method::options) {
        out = options_answer(asked, "GET, HEAD, POST, OPTIONS");
    } else if (!split) {
        out = problem(400, "bad_request", "the target is not a path");
    } else if (where.id == route_id::none) {
        out = not_found();
    } else if (where.id == route_id::web && asked.verb != method::get && asked.verb != method::head &&
               !has_file(*split)) {
        out = not_found();
    } else if (asked.verb == method::options) {
        out = options_answer(asked, allowed_methods(where.id, writable));
    } else if (!takes(where.id, asked.verb, writable)) {
        bool const switched_off = where.id == route_id::action && asked.verb == method::post;
        out = not_allowed(allowed_methods(where.id, writable),
                          switched_off ? "this server runs no actions: it was started without --writable"
                                       : "this address does not take this method");
    } else {
        try {
            out = co_await route_to(asked, where, *split);
        } catch (std::exception const& e) {
            log(log_level::error, "{}: {}", where.pattern, e.what());
            out = problem(500, "internal", "the server failed; its log says why");
        }
    }
    add_common_fields(out, asked, for_everybody);
    if (!where.pattern.empty()) out.route = where.pattern;
    co_return out;
}

std::optional<response> api::judge_upgrade(request const& asked) const
{
    if (asked.target.substr(0, asked.target.find('?')) != "/v1/ws") return std::nullopt;
    response out{.status = 101};
    if (refused_origin(asked)) out = bad_origin(asked.admin);
    else if (from_.closing) out = problem(503, "draining", "the server is shutting down");
    if (out.status != 101) add_common_fields(out, asked, false);
    out.route = "/v1/ws";
    return out;
}

asio::awaitable<response> api::route_to(request const& asked, route const& where, target const& split)
{
    switch (where.id) {
        case route_id::tallies: co_return list();
        case route_id::tally:
        case route_id::key:
        case route_id::keys: co_return co_await read(asked, where, split);
        case route_id::action: co_return co_await act(asked, where);
        case route_id::reset: co_return reset(where);
        case route_id::audit: co_return co_await audit(where);
        case route_id::livez: co_return response{.body = R"({"alive":true})"};
        case route_id::readyz: co_return readiness(split);
        case route_id::metrics: {
            response out{.content_type = "text/plain; version=0.0.4; charset=utf-8"};
            out.body = from_.metrics_text();
            co_return out;
        }
        case route_id::socket: {
            auto out = problem(426, "upgrade_required", "this is the address of the WebSocket");
            out.fields.emplace_back("Upgrade", "websocket");
            co_return out;
        }
        case route_id::web: co_return web(split);
        case route_id::none: break;
    }
    co_return not_found();
}

// Why the tallies are not known; status 200 if they are.
response api::not_ready() const
{
    if (from_.replicas.knows_tallies()) return {};
    auto const& trouble = from_.replicas.trouble().text();
    if (trouble.empty()) return problem(503, "loading", "the tallies' definitions are not read yet");
    return problem(503, from_.replicas.trouble_is_permanent() ? "failed" : "loading", trouble);
}

response api::list() const
{
    auto why = not_ready();
    if (why.status == 200) return read_tallies(from_.replicas.all());
    // The names in the options are known before the definitions are.
    auto const& names = from_.options.tallies;
    if (names.empty()) return why;
    auto const state = from_.replicas.trouble_is_permanent() ? cache::state::failed : cache::state::loading;
    return read_unknown_tallies(names, state, from_.replicas.trouble().text());
}

// Finds the tally that a segment names. Returns why there is none, or status 200.
response api::found(std::string_view segment, cache::tally*& out) const
{
    auto const name = percent_decoded(segment);
    out = name ? from_.replicas.find(*name) : nullptr;
    if (out != nullptr) return {};
    auto why = not_ready();
    if (why.status != 200) return why;
    return problem(404, "unknown_tally", "there is no tally of this name");
}

asio::awaitable<response> api::read(request const& asked, route const& where, target const& split)
{
    cache::tally* tally = nullptr;
    auto refused = found(where.tally, tally);
    if (tally == nullptr) co_return refused;

    auto wanted = wanted_keys(*tally, where, split, from_.options.bounds.max_query_keys);
    if (wanted.refused.status != 200) co_return std::move(wanted.refused);
    auto const source = source_of(split);
    if (source == counters_source::unknown) co_return problem(400, "bad_request", "source can be database only");
    if (source == counters_source::database) {
        if (!asked.admin && !from_.options.allow_bypass) {
            co_return problem(403, "bypass_not_allowed", "source=database needs the server's option --allow-bypass");
        }
        if (where.id == route_id::tally) co_return problem(400, "bad_request", "source=database is for keys");
        co_return co_await ask_database(*tally, std::move(wanted.keys), where.id == route_id::key);
    }
    refused = unreadable(*tally);
    if (refused.status != 200) co_return refused;
    if (where.id == route_id::tally) co_return read_tally(*tally, asked.if_none_match);
    if (where.id == route_id::key) co_return read_key(*tally, wanted.keys.front(), asked.if_none_match);
    co_return read_keys(*tally, wanted.keys, asked.if_none_match);
}

asio::awaitable<response> api::ask_database(cache::tally const& of, std::vector<std::string> keys, bool one)
{
    // When the answer comes, the tally may have been dropped, or its definition may have changed.
    auto const name = of.definition().name;
    auto const counters = of.definition().counters;
    auto answered = co_await from_.database.ask(name, counters.size(), keys);
    if (answered.refused) co_return std::move(*answered.refused);
    auto const* const now = from_.replicas.find(name);
    if (now == nullptr || now->definition().counters != counters)
        co_return problem(503, "loading", "the tally's definition changed");
    co_return one ? database_key(*now, keys.front(), answered.counters.front())
                  : database_keys(*now, keys, answered.counters);
}

asio::awaitable<response> api::act(request const& asked, route const& where)
{
    cache::tally* tally = nullptr;
    auto refused = found(where.tally, tally);
    if (tally == nullptr) co_return refused;
    auto wanted = wanted_action(*tally, where, asked.body);
    if (wanted.refused.status != 200) co_return std::move(wanted.refused);

    auto const name = wanted.what.tally;
    auto const key = wanted.what.key;
    auto order = std::move(wanted.what);
    auto outcome = co_await from_.acts.run(std::move(order));
    if (outcome) co_return std::move(*outcome);

    auto const* const now = from_.replicas.find(name);
    // The action is done, but the tally that counts it was dropped.
    if (now == nullptr || !now->has_counters())
        co_return response{.status = 202, .body = R"({"committed":true,"applied":false})"};
    auto out = read_key(*now, key, {});
    out.status = 201;
    std::erase_if(out.fields, [](auto const& field) { return field.first == "ETag"; });
    co_return out;
}

response api::reset(route const& where)
{
    cache::tally* tally = nullptr;
    auto refused = found(where.tally, tally);
    if (tally == nullptr) return refused;
    log(log_level::info, "tally {}: reset requested", tally->definition().name);
    from_.replicas.reset(tally->definition().name);
    return {.status = 202, .body = R"({"reset":true})"};
}

// If the client disconnects, the audit continues, and its outcome is logged.
asio::awaitable<response> api::audit(route const& where)
{
    cache::tally* tally = nullptr;
    auto refused = found(where.tally, tally);
    if (tally == nullptr) co_return refused;
    auto const name = tally->definition().name;
    log(log_level::info, "tally {}: audit requested", name);
    auto const longest = std::chrono::milliseconds{from_.options.bounds.audit_timeout};
    auto const outcome = co_await from_.replicas.audit(name, longest);
    co_return audit_answer(outcome);
}

response api::web(target const& split) const
{
    auto const path = decoded_path(split);
    if (!path) return problem(400, "bad_request", "the path has an invalid escape");
    auto file = from_.web.find(*path);
    return file ? std::move(*file) : not_found();
}

bool api::has_file(target const& split) const
{
    auto const path = decoded_path(split);
    return path && from_.web.contains(*path);
}

response api::readiness(target const& split) const
{
    if (from_.draining) return problem(503, "draining", "the server is shutting down");
    if (auto why = not_ready(); why.status != 200) return why;
    bool const live_only = has_query(split, "live");
    for (auto const& [name, tally] : from_.replicas.all()) {
        bool const good = live_only ? tally->state() == cache::state::live
                                    : tally->has_counters() || tally->state() == cache::state::failed;
        if (good) continue;
        auto const state = std::string{to_string(tally->state())};
        return problem(
            503, "not_ready",
            "tally " + name + " is " + state + (tally->reason().empty() ? "" : ": " + tally->reason().text()));
    }
    return {.body = R"({"ready":true})"};
}

}  // namespace pgtally::server
