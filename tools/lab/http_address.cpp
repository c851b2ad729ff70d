#include "http_address.hpp"

#include <pgtally/server/base/endpoint.hpp>

namespace pgtally::lab {

std::optional<http_address> read_http_address(std::string const& url)
{
    auto const parsed = server::parse_server_url(url);
    if (!parsed) return std::nullopt;
    return http_address{parsed->host, std::to_string(parsed->port)};
}

}  // namespace pgtally::lab
