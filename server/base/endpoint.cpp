#include <pgtally/server/base/endpoint.hpp>

#include <charconv>

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

std::string to_string(endpoint const& where)
{
    auto const host = where.host.find(':') == std::string::npos ? where.host : '[' + where.host + ']';
    return host + ':' + std::to_string(where.port);
}

}  // namespace pgtally::server
