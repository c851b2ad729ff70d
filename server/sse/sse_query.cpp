#include <pgtally/cache/position.hpp>
#include <pgtally/server/base/whole_number.hpp>
#include <pgtally/server/http/admission.hpp>
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
    if (!value) {
        if (name == "key" || name == "rank") return problem(400, "bad_key", "a key has an invalid escape");
        return bad_request("a parameter has an invalid escape");
    }
    if (name == "key") {
        if (!to.keys) to.keys.emplace();
        if (to.keys->size() == bounds.max_query_keys) {
            auto const most = std::to_string(bounds.max_query_keys);
            return problem(400, "too_many_keys", "a request may name " + most + " keys");
        }
        to.keys->push_back(std::move(*value));
    } else if (name == "since") {
        to.since = cache::parse_position(*value);
        if (!to.since) return bad_request("since is a position: <epoch>-<revision>");
    } else if (name == "interval_ms") {
        auto const most = bounds.max_interval.count();
        auto const interval = whole_number<std::chrono::milliseconds::rep>(*value, 0, most);
        if (!interval) return bad_request("interval_ms is an integer from 0 to " + std::to_string(most));
        to.interval = std::chrono::milliseconds{*interval};
    }
    return {};
}

// Reads `top=10&by=favs`, `sum`, or `rank=33&by=favs&around=2`. Returns why it is refused, or status 200.
response take_question(subscribe_request& to, target const& split, limits const& bounds)
{
    auto const top = query_value(split, "top"), sum = query_value(split, "sum"), rank = query_value(split, "rank");
    auto const questions = top.has_value() + sum.has_value() + rank.has_value();
    if (questions == 0) return {};
    if (questions > 1 || to.keys) return bad_request("a stream is of keys, a top, the sum or a rank: only one of them");
    auto const by = query_value(split, "by");
    if (!sum && !by) return bad_request("name the counter to rank by: by=");
    auto const in = [](char const* name, std::size_t least, std::size_t most) {
        return bad_request(std::string{name} + " is an integer from " + std::to_string(least) + " to " +
                           std::to_string(most));
    };
    if (top) {
        auto const limit = whole_number<std::size_t>(*top, 1, bounds.max_top);
        if (!limit) return in("top", 1, bounds.max_top);
        to.asks = cache::top_question{*by, *limit};
    } else if (rank) {
        auto const around = whole_number<std::size_t>(query_value(split, "around").value_or("0"), 0, bounds.max_around);
        if (!around) return in("around", 0, bounds.max_around);
        to.asks = cache::rank_question{*by, *rank, *around};
    } else {
        to.asks = cache::sum_question{};
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
        out.refused = take(out.what, name, value, bounds);
        if (out.refused.status != 200) return out;
    }
    out.refused = take_question(out.what, split, bounds);
    if (!last_event_id.empty()) out.what.since = cache::parse_position(last_event_id);
    return out;
}

response refused_events(refusal const& why, permit const& by)
{
    if (why.code == "unauthorized") return refusal_of(access::no_token, by);
    if (why.code == "not_allowed") return refusal_of(access::not_allowed, by);
    return problem(why.code == "unknown_tally" ? 404 : 400, why.code, why.message, why.key);
}

}  // namespace pgtally::server
