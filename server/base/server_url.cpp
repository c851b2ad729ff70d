#include <pgtally/server/base/server_url.hpp>

#include <algorithm>

#include <arpa/inet.h>

namespace pgtally::server {

namespace {

constexpr std::string_view http = "http://", https = "https://", unix_socket = "unix:";

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

std::string_view default_port(server_url::scheme how) noexcept
{
    return how == server_url::scheme::https ? ":443" : ":80";
}

std::optional<server_url> parse_host(server_url::scheme how, std::string_view text)
{
    if (text.ends_with('/')) text.remove_suffix(1);
    auto const bracket = text.rfind(']');
    bool const has_port = text.find(':', bracket == std::string_view::npos ? 0 : bracket) != std::string_view::npos;
    auto const where = parse_endpoint(std::string{text}.append(has_port ? std::string_view{} : default_port(how)));
    if (!where || where->port == 0 || !is_host(where->host)) return std::nullopt;
    server_url out;
    out.how = how;
    out.where = *where;
    return out;
}

std::optional<server_url> parse_path(std::string_view text)
{
    if (!is_socket_path(text) || text.starts_with("//") || text.ends_with('/')) return std::nullopt;
    server_url out;
    out.how = server_url::scheme::unix_socket;
    out.path = text;
    return out;
}

}  // namespace

std::optional<server_url> parse_server_url(std::string_view text)
{
    if (text.starts_with(http)) return parse_host(server_url::scheme::http, text.substr(http.size()));
    if (text.starts_with(https)) return parse_host(server_url::scheme::https, text.substr(https.size()));
    if (text.starts_with(unix_socket)) return parse_path(text.substr(unix_socket.size()));
    return std::nullopt;
}

std::string to_string(server_url const& of)
{
    if (of.how == server_url::scheme::unix_socket) return std::string{unix_socket} + of.path;
    return std::string{of.how == server_url::scheme::https ? https : http} + to_string(of.where) + '/';
}

std::string host_field(server_url const& of)
{
    if (of.how == server_url::scheme::unix_socket) return "localhost";
    auto out = to_string(of.where);
    // Some servers compare with their name alone.
    if (out.ends_with(default_port(of.how))) out.resize(out.rfind(':'));
    return out;
}

}  // namespace pgtally::server
