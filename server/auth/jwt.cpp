#include <pgtally/server/auth/base64url.hpp>
#include <pgtally/server/auth/jwt.hpp>

#include <boost/json/monotonic_resource.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include <utility>

namespace pgtally::server {

namespace json = boost::json;

namespace {

std::string_view view_of(json::string const& text) noexcept
{
    return {text.data(), text.size()};
}

// Reads the header into `out`. Returns why it is refused.
std::optional<token_fault> read_header(jwt& out, std::string_view text)
{
    json::error_code failure;
    json::monotonic_resource memory;
    auto const value = json::parse({text.data(), text.size()}, failure, &memory);
    auto const* const header = failure ? nullptr : value.if_object();
    if (header == nullptr) return token_fault::malformed;
    if (header->contains("crit")) return token_fault::critical;

    auto const* const name = header->if_contains("alg");
    if (name == nullptr || !name->is_string()) return token_fault::malformed;
    auto const claimed = algorithm_of(view_of(name->get_string()));
    if (!claimed) return token_fault::algorithm;
    out.claimed = *claimed;

    auto const* const kid = header->if_contains("kid");
    if (kid == nullptr) return std::nullopt;
    if (!kid->is_string()) return token_fault::malformed;
    out.kid = std::string{view_of(kid->get_string())};
    return std::nullopt;
}

}  // namespace

std::optional<algorithm> algorithm_of(std::string_view name) noexcept
{
    if (name == "HS256") return algorithm::hs256;
    if (name == "RS256") return algorithm::rs256;
    if (name == "ES256") return algorithm::es256;
    if (name == "EdDSA") return algorithm::eddsa;
    return std::nullopt;
}

std::variant<jwt, token_fault> split_token(std::string_view text, limits const& bounds)
{
    if (text.size() > bounds.max_token_bytes) return token_fault::too_long;
    auto const first = text.find('.');
    auto const second = first == std::string_view::npos ? first : text.find('.', first + 1);
    if (second == std::string_view::npos) return token_fault::malformed;

    auto const header = base64url_decoded(text.substr(0, first));
    auto payload = base64url_decoded(text.substr(first + 1, second - first - 1));
    auto signature = base64url_decoded(text.substr(second + 1));  // a further dot is of no alphabet
    if (!header || !payload || !signature) return token_fault::malformed;

    jwt out{.kid = {}, .signed_text = text.substr(0, second), .signature = {}, .payload = {}};
    if (auto const fault = read_header(out, *header)) return *fault;
    out.payload = std::move(*payload);
    out.signature = std::move(*signature);
    return out;
}

}  // namespace pgtally::server
