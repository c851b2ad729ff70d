#include <pgtally/server/auth/claims.hpp>
#include <pgtally/server/base/json_keys.hpp>

#include <boost/json/monotonic_resource.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

namespace pgtally::server {

namespace json = boost::json;

namespace {

std::string_view view_of(json::string const& text) noexcept
{
    return {text.data(), text.size()};
}

// A NumericDate, cut to a second; nothing if it is none. Beyond the year 9999 it is that year: clocks can add to it.
std::optional<std::chrono::sys_seconds> time_of(json::value const& value)
{
    constexpr double most = 253'402'300'799;
    double seconds = 0;
    if (auto const* const number = value.if_int64()) seconds = static_cast<double>(*number);
    else if (auto const* const large = value.if_uint64()) seconds = static_cast<double>(*large);
    else if (auto const* const real = value.if_double()) seconds = *real;
    else return std::nullopt;
    if (!(seconds >= 0)) return std::nullopt;
    return std::chrono::sys_seconds{std::chrono::seconds{static_cast<std::int64_t>(std::min(seconds, most))}};
}

bool names(json::value const& audience, std::string_view wanted)
{
    auto const is = [wanted](json::value const& one) { return one.is_string() && view_of(one.get_string()) == wanted; };
    auto const* const several = audience.if_array();
    return several == nullptr ? is(audience) : std::any_of(several->begin(), several->end(), is);
}

// A rule of `read`: "tweets", {"tally":"mine","prefix":"u42/"} or {"tally":"x","keys":["1","2"]}. False if it is none: a
// member that is not known could narrow the rule.
bool add_read(rights& to, json::value const& one)
{
    if (auto const* const name = one.if_string()) {
        to.add_tally(std::string{view_of(*name)});
        return true;
    }
    auto const* const rule = one.if_object();
    auto const* const tally = rule == nullptr ? nullptr : rule->if_contains("tally");
    if (tally == nullptr || !tally->is_string()) return false;
    std::string name{view_of(tally->get_string())};
    auto const* const prefix = rule->if_contains("prefix");
    auto const* const keys = rule->if_contains("keys");
    if (rule->size() != std::size_t{1} + (prefix != nullptr) + (keys != nullptr)) return false;
    if (prefix != nullptr && keys != nullptr) return false;
    if (prefix != nullptr) {
        if (!prefix->is_string()) return false;
        to.add_prefix(std::move(name), std::string{view_of(prefix->get_string())});
    } else if (keys != nullptr) {
        auto named = keys_of_json(*keys);
        if (!named.wrong.empty()) return false;
        to.add_keys(std::move(name), std::move(named.keys));
    } else {
        to.add_tally(std::move(name));
    }
    return true;
}

// A rule of `act`: "tweets.fav" or "polls.*".
bool add_act(rights& to, json::value const& one)
{
    if (!one.is_string()) return false;
    auto const text = view_of(one.get_string());
    auto const dot = text.find('.');
    if (dot == std::string_view::npos || dot == 0 || dot + 1 == text.size()) return false;
    to.add_action(std::string{text.substr(0, dot)}, std::string{text.substr(dot + 1)});
    return true;
}

bool add_rules(rights& to, json::value const& claim)
{
    auto const* const rules = claim.if_object();
    if (rules == nullptr) return false;
    for (auto const& [name, list] : *rules) {
        auto const* const all = list.if_array();
        if (all == nullptr || (name != "read" && name != "act")) return false;
        bool const reads = name == "read";
        for (auto const& one : *all) {
            if (!(reads ? add_read(to, one) : add_act(to, one))) return false;
        }
    }
    return true;
}

std::optional<token_fault> refuse(json::object const& of, claims_wanted const& wanted)
{
    auto const* const audience = of.if_contains("aud");
    if (audience == nullptr ? !wanted.audience.empty() : wanted.audience.empty() || !names(*audience, wanted.audience))
        return token_fault::audience;
    if (wanted.issuer.empty()) return std::nullopt;
    auto const* const issuer = of.if_contains("iss");
    bool const right = issuer != nullptr && issuer->is_string() && view_of(issuer->get_string()) == wanted.issuer;
    return right ? std::nullopt : std::optional{token_fault::issuer};
}

}  // namespace

std::variant<claims, token_fault> read_claims(std::string_view payload, claims_wanted const& wanted,
                                              std::chrono::sys_seconds now)
{
    json::error_code failure;
    json::monotonic_resource memory;
    auto const value = json::parse({payload.data(), payload.size()}, failure, &memory);
    auto const* const object = failure ? nullptr : value.if_object();
    if (object == nullptr) return token_fault::malformed;

    auto const* const exp = object->if_contains("exp");
    auto const ends = exp == nullptr ? std::nullopt : time_of(*exp);
    if (!ends) return token_fault::claims;
    if (now >= *ends + wanted.leeway) return token_fault::expired;
    if (auto const* const nbf = object->if_contains("nbf")) {
        auto const begins = time_of(*nbf);
        if (!begins) return token_fault::claims;
        if (now + wanted.leeway < *begins) return token_fault::not_yet;
    }
    if (auto const fault = refuse(*object, wanted)) return *fault;

    claims out{.until = *ends};
    out.gives.set_by_token();
    auto const* const rules = object->if_contains("pgtally");
    if (rules != nullptr && !add_rules(out.gives, *rules)) return token_fault::rules;
    return out;
}

}  // namespace pgtally::server
