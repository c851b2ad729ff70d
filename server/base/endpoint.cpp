#include <pgtally/server/base/endpoint.hpp>

#include <algorithm>
#include <charconv>

#include <arpa/inet.h>
#include <sys/un.h>

namespace pgtally::server {

std::optional<endpoint> parse_endpoint(std::string_view text)
{
    if (constexpr std::string_view scheme = "unix:"; text.starts_with(scheme)) {
        auto const path = text.substr(scheme.size());
        bool const valid = path.starts_with('/') && path.size() < sizeof(sockaddr_un::sun_path) && path.find('\0') == path.npos;
        return valid ? std::optional{endpoint{.path = std::string{path}}} : std::nullopt;
    }
    auto const colon = text.rfind(':');
    if (colon == std::string_view::npos) return std::nullopt;

    auto host = text.substr(0, colon);
    auto const digits = text.substr(colon + 1);
    bool const bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
    if (bracketed) host = host.substr(1, host.size() - 2);
    if (host.empty() || (host.find(':') != std::string_view::npos) != bracketed) return std::nullopt;

    std::uint16_t port = 0;
    auto const [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    if (failure != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
    return endpoint{.host = std::string{host}, .port = port};
}

namespace {

bool is_host_character(char c) noexcept
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           c == '_';
}

// A name, an IPv4 address, or an IPv6 address without its brackets.
bool is_host(std::string const& text) noexcept
{
    if (text.find(':') == std::string::npos) return std::all_of(text.begin(), text.end(), is_host_character);
    in6_addr parsed{};
    return ::inet_pton(AF_INET6, text.c_str(), &parsed) == 1;
}

}  // namespace

std::optional<endpoint> parse_server_url(std::string_view text)
{
    constexpr std::string_view scheme = "http://";
    if (!text.starts_with(scheme)) return std::nullopt;
    text.remove_prefix(scheme.size());
    if (text.ends_with('/')) text.remove_suffix(1);
    auto const bracket = text.rfind(']');
    bool const has_port = text.find(':', bracket == std::string_view::npos ? 0 : bracket) != std::string_view::npos;
    auto out = parse_endpoint(std::string{text} + (has_port ? "" : ":80"));
    if (!out || out->port == 0 || !is_host(out->host)) return std::nullopt;
    return out;
}

std::string to_string(endpoint const& where)
{
    if (where.is_unix()) return "unix:" + where.path;
    auto const host = where.host.find(':') == std::string::npos ? where.host : '[' + where.host + ']';
    return host + ':' + std::to_string(where.port);
}

}  // namespace pgtally::server
