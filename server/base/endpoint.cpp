#include <pgtally/server/base/endpoint.hpp>

#include <algorithm>
#include <charconv>

#include <arpa/inet.h>

namespace pgtally::server {

std::optional<endpoint> parse_endpoint(std::string_view text)
{
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
    return endpoint{std::string{host}, port};
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
    auto const host = where.host.find(':') == std::string::npos ? where.host : '[' + where.host + ']';
    return host + ':' + std::to_string(where.port);
}

}  // namespace pgtally::server
