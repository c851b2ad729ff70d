#include "http_address.hpp"

#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>

namespace pgtally::lab {

std::optional<http_address> read_http_address(std::string const& url)
{
    auto const parsed = boost::urls::parse_uri(url);
    if (!parsed) return std::nullopt;
    auto const& is = *parsed;
    bool const plain = is.scheme_id() == boost::urls::scheme::http && !is.has_userinfo() && !is.has_query() &&
                       !is.has_fragment() && !is.host().empty() &&
                       (is.encoded_path().empty() || is.encoded_path() == "/");
    if (!plain) return std::nullopt;
    return http_address{is.host_address(), is.port().empty() ? std::string("80") : std::string(is.port())};
}

}  // namespace pgtally::lab
