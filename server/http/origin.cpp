#include <pgtally/server/http/origin.hpp>

#include <algorithm>
#include <charconv>
#include <cstdint>

namespace pgtally::server {

namespace {

std::string lower(std::string_view text)
{
    std::string out{text};
    for (auto& c : out) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    return out;
}

struct authority {
    std::string host;        // lower case, IPv6 with its brackets
    std::uint16_t port = 0;  // 0: not written
};

bool is_host_character(char c) noexcept
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == ':' ||
           c == '[' || c == ']';
}

std::optional<authority> parse_authority(std::string_view text)
{
    authority out{.host = lower(text)};
    auto const colon = out.host.rfind(':');
    auto const bracket = out.host.rfind(']');
    if (colon != std::string::npos && (bracket == std::string::npos || bracket < colon)) {
        auto const first = out.host.data() + colon + 1;
        auto const last = out.host.data() + out.host.size();
        auto const [end, failure] = std::from_chars(first, last, out.port);
        if (failure != std::errc{} || end != last || out.port == 0) return std::nullopt;
        out.host.resize(colon);
    }
    bool const bracketed = out.host.starts_with('[') && out.host.ends_with(']') && out.host.size() > 2;
    if (out.host.empty() || (out.host.find_first_of("[]:") != std::string::npos) != bracketed) return std::nullopt;
    if (!std::all_of(out.host.begin(), out.host.end(), is_host_character)) return std::nullopt;
    return out;
}

std::uint16_t implied_port(std::string_view scheme) noexcept
{
    if (scheme == "http") return 80;
    if (scheme == "https") return 443;
    return 0;
}

struct parsed_origin {
    std::string scheme;
    authority where;  // port 0: the default port of the scheme
};

std::optional<parsed_origin> parse_origin(std::string_view text)
{
    auto const colon = text.find("://");
    if (colon == std::string_view::npos || colon == 0) return std::nullopt;
    parsed_origin out{.scheme = lower(text.substr(0, colon)), .where = {}};
    auto const where = parse_authority(text.substr(colon + 3));
    if (!where) return std::nullopt;
    out.where = *where;
    if (out.where.port == implied_port(out.scheme)) out.where.port = 0;
    return out;
}

// Whether the host is `localhost`, in 127.0.0.0/8, or `[::1]`. A name such as "127.example" is not an address.
bool is_loopback(std::string_view host)
{
    if (host == "localhost" || host == "[::1]") return true;
    return host.starts_with("127.") && std::count(host.begin(), host.end(), '.') == 3 &&
           host.find_first_not_of("0123456789.") == std::string_view::npos;
}

constexpr std::string_view wildcard = "://*.";

// Both are canonical.
bool matches(std::string_view origin, std::string_view rule)
{
    auto const at = rule.find(wildcard);
    if (at == std::string_view::npos) return origin == rule;
    auto const scheme = rule.substr(0, at + 3), end = rule.substr(at + 4);  // "https://" and ".example.org"
    return origin.size() > scheme.size() + end.size() && origin.starts_with(scheme) && origin.ends_with(end);
}

}  // namespace

std::optional<std::string> canonical_origin(std::string_view text)
{
    auto const parsed = parse_origin(text);
    if (!parsed) return std::nullopt;
    auto out = parsed->scheme + "://" + parsed->where.host;
    if (parsed->where.port != 0) out += ':' + std::to_string(parsed->where.port);
    return out;
}

std::optional<std::string> canonical_origin_rule(std::string_view text)
{
    if (text == "*" || text == "null") return std::string{text};
    auto const at = text.find(wildcard);
    if (at == std::string_view::npos) return canonical_origin(text);
    auto const scheme = std::string{text.substr(0, at)} + "://";
    auto const below = canonical_origin(scheme + std::string{text.substr(at + wildcard.size())});
    if (!below || below->find('[') != std::string::npos) return std::nullopt;
    return below->substr(0, scheme.size()) + "*." + below->substr(scheme.size());
}

bool origin_named(std::string_view origin, std::vector<std::string> const& listed)
{
    auto const from = canonical_origin(origin);
    auto const names = [&from](std::string const& rule) { return matches(*from, rule); };
    return from && std::any_of(listed.begin(), listed.end(), names);
}

bool origin_allowed(std::string_view origin, std::string_view host, std::vector<std::string> const& listed)
{
    auto const lists = [&listed](std::string_view rule) {
        return std::find(listed.begin(), listed.end(), rule) != listed.end();
    };
    if (lists("*") || (origin == "null" && lists("null"))) return true;
    auto const from = parse_origin(origin);
    if (!from) return false;
    if (origin_named(origin, listed)) return true;

    auto const to = parse_authority(host);
    if (!to) return false;
    if (is_loopback(from->where.host) && is_loopback(to->host)) return true;
    // A Host without a port means the port of the browser's scheme, which a proxy that ends TLS hides from the server.
    auto const to_port = to->port == implied_port(from->scheme) ? std::uint16_t{0} : to->port;
    return from->where.host == to->host && from->where.port == to_port;
}

}  // namespace pgtally::server
