#include <pgtally/server/cli/access_options.hpp>

#include <utility>

namespace pgtally::server {

void add_access_options(boost::program_options::options_description& to, char const* url)
{
    namespace po = boost::program_options;
    // clang-format off
    to.add_options()
        ("url", po::value<std::string>()->value_name("URL"), url)
        ("token-file", po::value<std::string>()->value_name("FILE"),
         "send the token that this file holds; read for each connection; else PGTALLY_TOKEN, which is the token itself")
        ("ca-file", po::value<std::string>()->value_name("FILE"),
         "for https: trust the certificates of this file (PEM), beside the system's");
    // clang-format on
}

std::optional<server_access> access_of(option_values const& values, std::string const& otherwise)
{
    auto const url = values.text("url", otherwise);
    if (url.empty()) return std::nullopt;
    auto parsed = parse_server_url(url);
    if (!parsed) {
        values.refuse("url", url,
                      "a server's address like http://127.0.0.1:8080, https://counters.example.org or "
                      "unix:/run/pgtally/admin.sock");
    }
    server_access out;
    out.url = std::move(*parsed);
    out.token.file = values.text("token-file", "");
    out.token.text = values.variable("PGTALLY_TOKEN");
    out.ca_file = values.text("ca-file", "");
    return out;
}

}  // namespace pgtally::server
