#include <pgtally/server/http/host.hpp>

#include <algorithm>

#include <arpa/inet.h>

namespace pgtally::server {

namespace {

bool is_name_character(char c) noexcept
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
}

bool is_digits(std::string_view text) noexcept
{
    return text.find_first_not_of("0123456789") == std::string_view::npos;
}

// RFC 3986, 3.2.3: a port may be empty.
bool is_port(std::string_view text) noexcept
{
    return is_digits(text) && text.size() <= 5;
}

bool is_address(int family, std::string const& text) noexcept
{
    in6_addr parsed{};  // room for both families
    return ::inet_pton(family, text.c_str(), &parsed) == 1;
}

// Whether it is an IPv6 address in brackets, with or without a port.
bool is_bracketed_address(std::string_view text)
{
    auto const end = text.find(']');
    if (end == std::string_view::npos) return false;
    auto const after = text.substr(end + 1);
    bool const port = after.empty() || (after.front() == ':' && is_port(after.substr(1)));
    return port && is_address(AF_INET6, std::string{text.substr(1, end - 1)});
}

}  // namespace

std::optional<std::string> canonical_host(std::string_view text)
{
    std::string out{text};
    if (out.ends_with('.')) out.pop_back();
    for (auto& c : out) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    bool const name = !out.empty() && std::all_of(out.begin(), out.end(), is_name_character);
    if (!name) return std::nullopt;
    return out;
}

bool is_host(std::string_view text)
{
    if (text.starts_with('[')) return is_bracketed_address(text);
    auto const colon = text.find(':');
    if (colon != std::string_view::npos && !is_port(text.substr(colon + 1))) return false;
    return canonical_host(text.substr(0, colon)).has_value();
}

bool host_allowed(std::string_view host, bool loopback, std::vector<std::string> const& listed)
{
    if (host.empty() || (!loopback && listed.empty())) return true;
    if (host.starts_with('[')) return is_bracketed_address(host);
    if (auto const colon = host.find(':'); colon != std::string_view::npos) {
        if (!is_port(host.substr(colon + 1))) return false;
        host = host.substr(0, colon);
    }
    auto const name = canonical_host(host);
    if (!name) return false;
    return *name == "localhost" || is_address(AF_INET, *name) ||
           std::find(listed.begin(), listed.end(), *name) != listed.end();
}

}  // namespace pgtally::server
