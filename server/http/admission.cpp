#include <pgtally/server/base/text.hpp>
#include <pgtally/server/http/admission.hpp>
#include <pgtally/server/http/origin.hpp>

#include <algorithm>
#include <utility>
#include <variant>

namespace pgtally::server {

namespace {

// The token of `Authorization: Bearer …`; nothing if there is none. Another scheme is somebody else's, such as a proxy's.
std::optional<std::string_view> bearer_of(std::string_view field)
{
    constexpr std::string_view scheme = "bearer";
    field = trimmed(field);
    auto const same = [](char a, char b) { return a == (b >= 'A' && b <= 'Z' ? b - 'A' + 'a' : b); };
    auto const word = field.substr(0, field.find_first_of(" \t"));
    if (!std::equal(scheme.begin(), scheme.end(), word.begin(), word.end(), same)) return std::nullopt;
    return trimmed(field.substr(word.size()));
}

// Whether a page is known: not by `*`, and not as `null`.
bool is_known(std::string_view origin, std::string_view host, std::vector<std::string> const& origins)
{
    return origin_named(origin, origins) || origin_allowed(origin, host, {});
}

}  // namespace

std::optional<std::string_view> cookie_value(std::string_view cookies, std::string_view name)
{
    std::optional<std::string_view> out;
    while (!cookies.empty()) {
        auto const one = take_piece(cookies, ';');
        auto const equals = one.find('=');
        if (equals == std::string_view::npos || trimmed(one.substr(0, equals)) != name) continue;
        if (out) return std::nullopt;  // a page of a neighbour's domain may have set the other one
        out = trimmed(one.substr(equals + 1));
    }
    return out;
}

std::optional<response> admit(request& asked, authority const& by, std::vector<std::string> const& origins,
                              std::chrono::sys_seconds now)
{
    if (asked.admin) {
        asked.by = permit::everything();
        return std::nullopt;
    }
    asked.by = by.anybody();
    if (!by.requires_tokens()) return std::nullopt;
    auto token = bearer_of(asked.authorization);
    bool const by_cookie = !token && !by.cookie().empty();
    if (by_cookie) token = cookie_value(asked.cookies, by.cookie());
    if (!token) return std::nullopt;
    if (by_cookie) {
        bool const safe = asked.verb == method::get || asked.verb == method::head;
        bool const known = asked.origin ? is_known(*asked.origin, asked.host, origins) : safe;
        if (!known && safe) return std::nullopt;
        if (!known)
            return problem(403, "bad_origin",
                           "by cookie, this needs the Origin of a page of this server, or of one that its option "
                           "--allow-origin names");
    }
    auto judged = by.judge(*token, now);
    if (auto const* const fault = std::get_if<token_fault>(&judged)) {
        if (!by_cookie) return challenge(*fault);
        asked.by.fault = *fault;
    } else {
        asked.by = std::move(std::get<permit>(judged));
    }
    return std::nullopt;
}

response challenge(std::optional<token_fault> fault)
{
    std::string_view const why = fault ? explain(*fault) : "this needs a token, in the field Authorization: Bearer";
    auto out = problem(401, "unauthorized", why);
    std::string how{R"(Bearer realm="pgtally")"};
    if (fault) {
        // Quotes have no place in a description: RFC 6750, 3.
        std::string description{explain(*fault)};
        std::erase(description, '"');
        how.append(R"(, error="invalid_token", error_description=")").append(description).append("\"");
    }
    out.fields.emplace_back("WWW-Authenticate", std::move(how));
    return out;
}

response refusal_of(access what, permit const& by)
{
    switch (what) {
        case access::allowed: break;
        case access::no_token: return challenge(by.fault);
        case access::hidden: return problem(404, "unknown_tally", "there is no tally of this name");
        case access::not_allowed: return problem(403, "not_allowed", "the token does not give this");
    }
    return {};
}

}  // namespace pgtally::server
