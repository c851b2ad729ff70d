#include "http_address.hpp"

#include <pgtally/server/base/server_url.hpp>

namespace pgtally::lab {

std::optional<http_address> read_http_address(std::string const& url)
{
    auto const parsed = server::parse_server_url(url);
    if (!parsed || parsed->how != server::server_url::scheme::http) return std::nullopt;
    return http_address{parsed->where.host, std::to_string(parsed->where.port)};
}

}  // namespace pgtally::lab
