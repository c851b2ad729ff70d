#include <pgtally/server/base/text.hpp>
#include <pgtally/server/http/encoding.hpp>

#include <boost/algorithm/string/predicate.hpp>

namespace pgtally::server {

namespace {

// Whether the weight, as in "q=0.5", is 0: "q=0", "q=0.000".
bool is_zero(std::string_view weight) noexcept
{
    if (weight.size() < 3 || (weight[0] != 'q' && weight[0] != 'Q') || weight[1] != '=') return false;
    return weight.find_first_not_of("0.", 2) == std::string_view::npos;
}

}  // namespace

bool accepts_gzip(std::string_view accept_encoding) noexcept
{
    bool by_star = false;
    for (auto rest = accept_encoding; !rest.empty();) {
        auto const each = take_piece(rest, ',');
        auto const semicolon = each.find(';');
        auto const coding = trimmed(each.substr(0, semicolon));
        bool const taken = semicolon == std::string_view::npos || !is_zero(trimmed(each.substr(semicolon + 1)));
        if (boost::algorithm::iequals(coding, "gzip") || boost::algorithm::iequals(coding, "x-gzip")) return taken;
        if (coding == "*") by_star = taken;
    }
    return by_star;
}

bool accepts_openmetrics(std::string_view accept) noexcept
{
    for (auto rest = accept; !rest.empty();) {
        auto const each = take_piece(rest, ',');
        auto const semicolon = each.find(';');
        if (!boost::algorithm::iequals(trimmed(each.substr(0, semicolon)), "application/openmetrics-text")) continue;
        auto const weight = each.rfind(';');
        if (weight == std::string_view::npos || !is_zero(trimmed(each.substr(weight + 1)))) return true;
    }
    return false;
}

}  // namespace pgtally::server
