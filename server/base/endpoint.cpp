#include <pgtally/server/base/endpoint.hpp>

#include <charconv>

#include <sys/un.h>

namespace pgtally::server {

bool is_socket_path(std::string_view text) noexcept
{
    // unix(7): the path has a fixed room, with the zero at its end.
    return text.starts_with('/') && text.size() < sizeof(sockaddr_un::sun_path) && text.find('\0') == text.npos;
}

std::optional<endpoint> parse_endpoint(std::string_view text)
{
    if (constexpr std::string_view scheme = "unix:"; text.starts_with(scheme)) {
        auto const path = text.substr(scheme.size());
        return is_socket_path(path) ? std::optional{endpoint{.path = std::string{path}}} : std::nullopt;
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

std::string to_string(endpoint const& where)
{
    if (where.is_unix()) return "unix:" + where.path;
    auto const host = where.host.find(':') == std::string::npos ? where.host : '[' + where.host + ']';
    return host + ':' + std::to_string(where.port);
}

}  // namespace pgtally::server
