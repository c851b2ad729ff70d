#include <pgtally/server/api/api.hpp>
#include <pgtally/server/api/api_query.hpp>
#include <pgtally/server/api/audit_answer.hpp>
#include <pgtally/server/api/cors.hpp>
#include <pgtally/server/api/reads.hpp>
#include <pgtally/server/auth/token_term.hpp>
#include <pgtally/server/base/log.hpp>
#include <pgtally/server/http/admission.hpp>
#include <pgtally/server/http/encoding.hpp>
#include <pgtally/server/http/host.hpp>
#include <pgtally/server/http/origin.hpp>
#include <pgtally/server/http/response.hpp>

#include <algorithm>
#include <chrono>
#include <exception>
#include <memory>
#include <utility>

namespace pgtally::server {

namespace {

response bad_origin(bool admin)
{
    return problem(403, "bad_origin",
                   admin ? "the admin address is not for browsers: it answers no request with an Origin"
                         : "this origin is not allowed; the server's option --allow-origin lists those that are");
}

response bad_host()
{
    return problem(421, "bad_host",
                   "this server answers to IP addresses, localhost and the names that its option --allow-host lists; "
                   "the request names another host");
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

bool names_file_for_everybody(target const& split)
{
    return split.path.size() == 1 && is_for_everybody(split.path[0]);
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

asio::awaitable<response> known(response answer)
{
    co_return std::move(answer);
}

bool is_action(route_id id)
{
    return id == route_id::action || id == route_id::action_by_query;
}

bool takes(route_id id, method verb, bool writable)
{
    if (is_action(id)) return writable && verb == method::post;
    if (id == route_id::keys && verb == method::post) return true;
    if (id == route_id::reset || id == route_id::audit) return verb == method::post;
    return verb == method::get || verb == method::head;
}

}  // namespace

// The refusal of a request whose host or whose page may not use the server.
std::optional<response> api::refuse_page(request const& asked, bool for_everybody) const
{
    if (!host_allowed(asked.host, asked.loopback, from_.options.allow_host)) return bad_host();
    if (for_everybody || !asked.origin) return std::nullopt;
    if (asked.admin) return bad_origin(true);
    if (origin_allowed(*asked.origin, asked.host, from_.options.allow_origin)) return std::nullopt;
    auto const line = from_.refused.line(*asked.origin, asked.host, std::chrono::steady_clock::now());
    if (line) log(log_level::info, "{}", *line);
    return bad_origin(false);
}

asio::awaitable<response> api::answer(request& asked)
{
    response out;
    auto const split = split_target(asked.target);
    bool const for_everybody = split && names_file_for_everybody(*split) && !asked.admin;
    auto const where = split ? find_route(split->path, asked.admin) : route{};
    bool const writable = from_.options.writable;
    if (auto refused = refuse_page(asked, for_everybody)) {
        out = std::move(*refused);
    } else if (asked.target == "*" && asked.verb == method::options) {
        out = options_answer(asked, "GET, HEAD, POST, OPTIONS", from_.options.allow_header);
    } else if (!split) {
        out = problem(400, "bad_request", "the target is not a path");
    } else if (where.id == route_id::none) {
        out = not_found();
    } else if (where.id == route_id::web && asked.verb != method::get && asked.verb != method::head &&
               !has_file(*split)) {
        out = not_found();
    } else if (asked.verb == method::options) {
        out = options_answer(asked, allowed_methods(where.id, writable), from_.options.allow_header);
    } else if (!takes(where.id, asked.verb, writable)) {
        bool const switched_off = is_action(where.id) && asked.verb == method::post;
        out = not_allowed(allowed_methods(where.id, writable),
                          switched_off ? "this server runs no actions: it was started without --writable"
                                       : "this address does not take this method");
    } else {
        try {
            if (auto unknown = admit_to(asked, where.id)) out = std::move(*unknown);
            else out = co_await route_to(asked, where, *split);
        } catch (std::exception const& e) {
            log(log_level::error, "{}: {}", where.pattern, e.what());
            out = problem(500, "internal", "the server failed; its log says why");
        }
    }
    if (depends_on_token(asked, where)) keep_from_caches(out);
    add_common_fields(out, asked, for_everybody, from_.options.allow_origin);
    if (!where.pattern.empty()) out.route = where.pattern;
    co_return out;
}

std::size_t api::body_limit(method verb, std::string_view target) const
{
    auto const split = split_target(target);
    bool const keys = split && find_route(split->path, false).id == route_id::keys;
    auto const& bounds = from_.options.bounds;
    return keys && verb == method::post ? bounds.max_key_list_bytes : bounds.max_body_bytes;
}

std::optional<response> api::judge_upgrade(request& asked) const
{
    auto const split = split_target(asked.target);
    if (!split || find_route(split->path, asked.admin).id != route_id::socket) return std::nullopt;
    response out{.status = 101};
    if (auto refused = refuse_page(asked, false)) out = std::move(*refused);
    else if (from_.closing) out = problem(503, "draining", "the server is shutting down");
    else if (auto wrong = admit_to(asked, route_id::socket)) out = std::move(*wrong);
    if (out.status != 101) add_common_fields(out, asked, false, from_.options.allow_origin);
    out.route = "/v1/ws";
    return out;
}

// Not a coroutine, so that a read is one coroutine less.
asio::awaitable<response> api::route_to(request const& asked, route const& where, target const& split)
{
    switch (where.id) {
        case route_id::tallies: return known(list(asked));
        case route_id::tally:
        case route_id::key:
        case route_id::keys:
        case route_id::top:
        case route_id::rank: return read(asked, where, split);
        case route_id::events: return known(events(asked, where, split));
        case route_id::action:
        case route_id::action_by_query: return act(asked, where, split);
        case route_id::reset: return known(reset(asked, where));
        case route_id::audit: return audit(asked, where);
        case route_id::livez: return known({.body = R"({"alive":true})"});
        case route_id::readyz: return known(readiness(asked, split));
        case route_id::metrics: {
            bool const open = accepts_openmetrics(asked.accept);
            response out{.content_type = open ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                                              : "text/plain; version=0.0.4; charset=utf-8"};
            out.body = from_.metrics_text(open);
            out.fields.emplace_back("Vary", "Accept");
            return known(std::move(out));
        }
        case route_id::socket: {
            auto out = problem(426, "upgrade_required", "this is the address of the WebSocket");
            out.fields.emplace_back("Upgrade", "websocket");
            return known(std::move(out));
        }
        case route_id::web: return known(web(asked, split));
        case route_id::none: break;
    }
    return known(not_found());
}

// Why the tallies are not known; status 200 if they are.
response api::not_ready(audience who) const
{
    if (from_.replicas.knows_tallies()) return {};
    auto const trouble = text_for(who, from_.replicas.trouble());
    if (trouble.empty()) return problem(503, "loading", "the tallies' definitions are not read yet");
    return problem(503, from_.replicas.trouble_is_permanent() ? "failed" : "loading", trouble);
}

response api::list(request const& asked) const
{
    auto const who = asked.who();
    auto const& may = *asked.by.may;
    if (may.reads_nothing() && !may.by_token()) return challenge(asked.by.fault);
    auto why = not_ready(who);
    if (why.status == 200) return read_tallies(from_.replicas.all(), who, may);
    // The names in the options are known before the definitions are.
    auto const& names = from_.options.tallies;
    if (names.empty()) return why;
    auto const state = from_.replicas.trouble_is_permanent() ? cache::state::failed : cache::state::loading;
    return read_unknown_tallies(names, state, text_for(who, from_.replicas.trouble()), may);
}

// What the client may, of the routes for which that matters. Returns the refusal of a wrong token.
std::optional<response> api::admit_to(request& asked, route_id where) const
{
    switch (where) {
        case route_id::livez:
        case route_id::readyz:
        case route_id::web:
        case route_id::none: return std::nullopt;
        default: break;
    }
    auto const now = from_.who_may.requires_tokens() ? moment::now().wall : std::chrono::sys_seconds{};
    return admit(asked, from_.who_may, from_.options.allow_origin, now);
}

// Whether another client may get another answer: without a token, or with another one.
bool api::depends_on_token(request const& asked, route const& where) const
{
    if (asked.admin || !from_.who_may.requires_tokens()) return false;
    auto const& anybody = *from_.who_may.anybody().may;
    if (where.id == route_id::tallies) return !anybody.reads_everything();
    if (where.tally.empty()) return false;
    if (is_action(where.id)) return true;
    auto const name = percent_decoded(where.tally);
    return !name || anybody.to_whole(*name) != access::allowed;
}

// Finds the tally that a segment names, if the client may know it. Returns why there is none, or status 200.
response api::found(request const& asked, std::string_view segment, cache::tally*& out) const
{
    auto const who = asked.who();
    auto const name = percent_decoded(segment);
    out = nullptr;
    // A request may wait for longer than its token lasts.
    if (asked.by.by_token() && moment::now().wall >= from_.who_may.end_of(asked.by))
        return challenge(token_fault::expired);
    auto refused = refusal_of(asked.by.may->to_tally(name.value_or("")), asked.by);
    if (refused.status != 200) return refused;
    out = name ? from_.replicas.find(*name) : nullptr;
    if (out != nullptr) return {};
    auto why = not_ready(who);
    if (why.status != 200) return why;
    return problem(404, "unknown_tally", "there is no tally of this name");
}

asio::awaitable<response> api::act(request const& asked, route const& where, target const& split)
{
    cache::tally* tally = nullptr;
    auto refused = found(asked, where.tally, tally);
    if (tally == nullptr) co_return refused;
    auto wanted = wanted_action(*tally, where, split, asked.body);
    if (wanted.refused.status != 200) co_return std::move(wanted.refused);
    refused = refusal_of(asked.by.may->to_act(wanted.what.tally, wanted.what.action, wanted.what.key), asked.by);
    if (refused.status != 200) co_return refused;

    asker const conditions{asked.who(), asked.if_match, asked.if_none_match};
    refused = refuse_unless_holds(*tally, wanted.what.key, conditions);
    if (refused.status != 200) co_return refused;

    auto const name = wanted.what.tally;
    auto const key = wanted.what.key;
    auto order = std::move(wanted.what);
    auto const began = std::chrono::steady_clock::now();
    auto outcome = co_await from_.acts.run(std::move(order));
    from_.on_action(std::chrono::duration<double>{std::chrono::steady_clock::now() - began}.count());
    if (outcome.answer) co_return std::move(*outcome.answer);

    auto const* const now = from_.replicas.find(name);
    // The action is done, but the tally that counts it was dropped.
    if (now == nullptr || !now->has_counters())
        co_return response{.status = 202, .body = R"({"committed":true,"applied":false})"};
    asker const by{asked.who()};
    auto out = read_key(*now, key, by);
    out.status = 201;
    // If the barrier was lost, a load contains the action: then the tally's own position is one at which it was done.
    if (now->shares_positions()) {
        out.body.pop_back();
        auto const at = cache::to_text({now->epoch(), outcome.position.value_or(now->revision())});
        out.body += R"(,"position":")" + at + "\"}";
    }
    std::erase_if(out.fields, [](auto const& field) { return field.first == "ETag"; });
    co_return out;
}

response api::events(request const& asked, route const& where, target const& split)
{
    auto name = percent_decoded(where.tally);
    if (!name) return problem(404, "unknown_tally", "there is no tally of this name");
    return from_.events.open(asked, std::move(*name), split);
}

response api::reset(request const& asked, route const& where)
{
    cache::tally* tally = nullptr;
    auto refused = found(asked, where.tally, tally);
    if (tally == nullptr) return refused;
    log(log_level::info, "tally {}: reset requested", tally->definition().name);
    from_.replicas.reset(tally->definition().name);
    return {.status = 202, .body = R"({"reset":true})"};
}

// If the client disconnects, the audit continues, and its outcome is logged.
asio::awaitable<response> api::audit(request const& asked, route const& where)
{
    cache::tally* tally = nullptr;
    auto refused = found(asked, where.tally, tally);
    if (tally == nullptr) co_return refused;
    auto const name = tally->definition().name;
    log(log_level::info, "tally {}: audit requested", name);
    auto const longest = std::chrono::milliseconds{from_.options.bounds.audit_timeout};
    auto const outcome = co_await from_.replicas.audit(name, longest);
    co_return audit_answer(outcome);
}

response api::web(request const& asked, target const& split) const
{
    auto const path = decoded_path(split);
    if (!path) return problem(400, "bad_request", "the path has an invalid escape");
    auto file = from_.web.find(*path, {asked.accept_encoding, asked.if_none_match});
    return file ? std::move(*file) : not_found();
}

bool api::has_file(target const& split) const
{
    auto const path = decoded_path(split);
    return path && from_.web.contains(*path);
}

response api::readiness(request const& asked, target const& split) const
{
    auto const who = asked.who();
    auto const named = asked.admin ? rights::everything() : from_.who_may.anybody().may;
    if (from_.draining) return problem(503, "draining", "the server is shutting down");
    if (auto why = not_ready(who); why.status != 200) return why;
    bool const live_only = has_query(split, "live");
    for (auto const& [name, tally] : from_.replicas.all()) {
        bool const good = live_only ? tally->state() == cache::state::live
                                    : tally->has_counters() || tally->state() == cache::state::failed;
        if (good) continue;
        auto const state = std::string{to_string(tally->state())};
        if (named->to_tally(name) != access::allowed) return problem(503, "not_ready", "a tally is " + state);
        auto detail = "tally " + name + " is " + state;
        if (auto const why = text_for(who, tally->reason()); !why.empty()) detail.append(": ").append(why);
        return problem(503, "not_ready", detail);
    }
    return {.body = R"({"ready":true})"};
}

}  // namespace pgtally::server
