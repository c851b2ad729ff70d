#include <pgtally/cache/position.hpp>
#include <pgtally/server/base/whole_number.hpp>
#include <pgtally/server/sse/sse_query.hpp>

#include <optional>
#include <utility>

namespace pgtally::server {

namespace {

response bad_request(std::string_view detail)
{
    return problem(400, "bad_request", detail);
}

// Reads one parameter into `to`. Returns why it is refused, or status 200.
response take(subscribe_request& to, std::string_view name, std::string_view encoded, limits const& bounds)
{
    auto value = query_decoded(encoded);
    if (name == "key") {
        if (!value) return problem(400, "bad_key", "a key has an invalid escape");
        if (!to.keys) to.keys.emplace();
        if (to.keys->size() == bounds.max_query_keys) {
            auto const most = std::to_string(bounds.max_query_keys);
            return problem(400, "too_many_keys", "a request may name " + most + " keys");
        }
        to.keys->push_back(std::move(*value));
    } else if (name == "since") {
        to.since = cache::parse_position(value.value_or(""));
        if (!to.since) return bad_request("since is a position: <epoch>-<revision>");
    } else if (name == "interval_ms") {
        auto const most = bounds.max_interval.count();
        auto const interval = whole_number<std::chrono::milliseconds::rep>(value.value_or(""), 0, most);
        if (!interval) return bad_request("interval_ms is an integer from 0 to " + std::to_string(most));
        to.interval = std::chrono::milliseconds{*interval};
    } else if (name == "top" || name == "sum" || name == "rank") {
        return bad_request(std::string{name} + " is not offered by this version");
    }
    return {};
}

}  // namespace

events_wanted wanted_events(std::string tally, target const& split, std::string_view last_event_id,
                            limits const& bounds)
{
    events_wanted out;
    out.what.tally = std::move(tally);
    for (auto const& [name, value] : split.query) {
        out.refused = take(out.what, query_decoded(name).value_or(""), value, bounds);
        if (out.refused.status != 200) return out;
    }
    if (!last_event_id.empty()) out.what.since = cache::parse_position(last_event_id);
    return out;
}

response refused_events(refusal const& why)
{
    return problem(why.code == "unknown_tally" ? 404 : 400, why.code, why.message);
}

}  // namespace pgtally::server
