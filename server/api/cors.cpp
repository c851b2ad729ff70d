#include <pgtally/server/api/cors.hpp>
#include <pgtally/server/http/origin.hpp>

#include <algorithm>

namespace pgtally::server {

response options_answer(request const& asked, std::string_view allowed, std::vector<std::string> const& headers)
{
    response out{.status = 204};
    out.fields.emplace_back("Allow", allowed);
    if (asked.origin && asked.preflight) {
        std::string names{"Authorization, Content-Type, If-Match, If-None-Match, Last-Event-ID"};
        for (auto const& name : headers) names.append(", ").append(name);
        out.fields.emplace_back("Access-Control-Allow-Methods", allowed);
        out.fields.emplace_back("Access-Control-Allow-Headers", std::move(names));
        out.fields.emplace_back("Access-Control-Max-Age", "600");
    }
    return out;
}

void add_common_fields(response& to, request const& asked, bool for_everybody, std::vector<std::string> const& origins)
{
    auto const says = [](auto const& field) { return field.first == "Cache-Control"; };
    if (std::none_of(to.fields.begin(), to.fields.end(), says)) to.fields.emplace_back("Cache-Control", "no-cache");
    to.fields.emplace_back("Vary", to.by_token ? "Origin, Authorization, Cookie" : "Origin");
    bool const refused =
        to.status == 421 || asked.admin || (asked.origin && !origin_allowed(*asked.origin, asked.host, origins));
    if (for_everybody && to.status != 421) {
        to.fields.emplace_back("Access-Control-Allow-Origin", "*");
    } else if (asked.origin && !refused) {
        to.fields.emplace_back("Access-Control-Allow-Origin", *asked.origin);
        to.fields.emplace_back("Access-Control-Expose-Headers", "ETag, Retry-After");
        if (origin_named(*asked.origin, origins)) to.fields.emplace_back("Access-Control-Allow-Credentials", "true");
    }
    to.fields.emplace_back("X-Content-Type-Options", "nosniff");
}

void keep_from_caches(response& to)
{
    to.by_token = true;
    if (to.lasts) return;  // a stream is no-store already
    std::erase_if(to.fields, [](auto const& field) { return field.first == "Cache-Control"; });
    to.fields.emplace_back("Cache-Control", "private, no-store");
}

}  // namespace pgtally::server
