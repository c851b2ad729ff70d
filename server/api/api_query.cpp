#include <pgtally/server/api/api_query.hpp>
#include <pgtally/server/api/reads.hpp>
#include <pgtally/server/base/json_keys.hpp>
#include <pgtally/server/base/whole_number.hpp>
#include <pgtally/server/http/response.hpp>

#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/monotonic_resource.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include <algorithm>
#include <utility>

namespace pgtally::server {

namespace {

// Takes the pieces of a document and keeps none: only whether the text is JSON matters.
struct no_handler {
    static constexpr std::size_t max_object_size = static_cast<std::size_t>(-1);
    static constexpr std::size_t max_array_size = static_cast<std::size_t>(-1);
    static constexpr std::size_t max_key_size = static_cast<std::size_t>(-1);
    static constexpr std::size_t max_string_size = static_cast<std::size_t>(-1);
    using error_code = boost::json::error_code;
    using string_view = boost::json::string_view;

    bool on_document_begin(error_code&) { return true; }
    bool on_document_end(error_code&) { return true; }
    bool on_array_begin(error_code&) { return true; }
    bool on_array_end(std::size_t, error_code&) { return true; }
    bool on_object_begin(error_code&) { return true; }
    bool on_object_end(std::size_t, error_code&) { return true; }
    bool on_string_part(string_view, std::size_t, error_code&) { return true; }
    bool on_string(string_view, std::size_t, error_code&) { return true; }
    bool on_key_part(string_view, std::size_t, error_code&) { return true; }
    bool on_key(string_view, std::size_t, error_code&) { return true; }
    bool on_number_part(string_view, error_code&) { return true; }
    bool on_int64(std::int64_t, string_view, error_code&) { return true; }
    bool on_uint64(std::uint64_t, string_view, error_code&) { return true; }
    bool on_double(double, string_view, error_code&) { return true; }
    bool on_bool(bool, error_code&) { return true; }
    bool on_null(error_code&) { return true; }
    bool on_comment_part(string_view, error_code&) { return true; }
    bool on_comment(string_view, error_code&) { return true; }
};

bool is_json(std::string_view text)
{
    boost::json::basic_parser<no_handler> parser{boost::json::parse_options{}};
    boost::json::error_code failure;
    auto const taken = parser.write_some(false, text.data(), text.size(), failure);
    return !failure && taken == text.size() && parser.done();
}

// The key in a segment of the path. Browsers and proxies remove the segments "", "." and "..", so requests must name
// such keys in the query.
std::optional<std::string> key_of_segment(std::string_view segment)
{
    auto key = percent_decoded(segment);
    if (!key || key->empty() || *key == "." || *key == "..") return std::nullopt;
    return key;
}

response bad_segment()
{
    return problem(400, "bad_key",
                   "the key is one percent-encoded segment; the keys \"\", \".\" and \"..\" go by ?key= only");
}

// The one key of `?key=`; nothing if there is none, or more than one, or an invalid escape.
std::optional<std::string> key_of_query(target const& split)
{
    std::optional<std::string> out;
    for (auto const& [name, value] : split.query) {
        if (name != "key") continue;
        if (out) return std::nullopt;
        out = query_decoded(value);
        if (!out) return std::nullopt;
    }
    return out;
}

response bad_query()
{
    return problem(400, "bad_key", "name the action's one key, percent-encoded: ?key=");
}

// Why the first of them that is none is no key; status 200 if all are.
response unusable_keys(cache::tally const& of, std::vector<std::string> const& keys)
{
    auto const kind = of.definition().kind();
    auto const wrong =
        std::ranges::find_if_not(keys, [&](auto const& key) { return cache::parse_key(kind, key).has_value(); });
    return wrong == keys.end() ? response{} : unusable_key(of, *wrong);
}

// A number of keys; `otherwise` if it is not named, nothing if it is not one from `least` to `most`.
std::optional<std::size_t> count_of(target const& split, std::string_view name, std::size_t least, std::size_t most,
                                    std::size_t otherwise)
{
    if (!has_query(split, name)) return otherwise;
    return whole_number<std::size_t>(query_value(split, name).value_or(""), least, most);
}

}  // namespace

keys_wanted wanted_keys(cache::tally const& of, route const& where, target const& split, std::size_t most)
{
    keys_wanted out;
    if (where.id != route_id::key && where.id != route_id::keys) return out;
    if (where.id == route_id::key) {
        auto key = key_of_segment(where.key);
        if (!key) return {.keys = {}, .refused = bad_segment()};
        out.keys.push_back(std::move(*key));
    } else {
        for (auto const& [name, value] : split.query) {
            if (name != "key") continue;
            if (out.keys.size() == most) {
                return {
                    .keys = {},
                    .refused = problem(400, "too_many_keys", "a request may name " + std::to_string(most) + " keys")};
            }
            auto key = query_decoded(value);
            if (!key) return {.keys = {}, .refused = problem(400, "bad_key", "a key has an invalid escape")};
            out.keys.push_back(std::move(*key));
        }
        if (out.keys.empty())
            return {.keys = {}, .refused = problem(400, "bad_request", "name at least one key: ?key=")};
    }
    out.refused = unusable_keys(of, out.keys);
    return out;
}

keys_wanted listed_keys(cache::tally const& of, std::string_view body, std::size_t most)
{
    auto const refuse = [](std::string_view code, std::string_view why) {
        return keys_wanted{.keys = {}, .refused = problem(400, code, why)};
    };
    boost::json::error_code failure;
    boost::json::monotonic_resource memory;
    auto const value = boost::json::parse({body.data(), body.size()}, failure, &memory);
    auto const* const object = failure ? nullptr : value.if_object();
    auto const* const list = object == nullptr ? nullptr : object->if_contains("keys");
    if (list == nullptr) return refuse("bad_body", R"(the body must be JSON like {"keys":["33",34]})");
    auto named = keys_of_json(*list);
    if (!named.wrong.empty()) return refuse(named.number ? "bad_key" : "bad_body", named.wrong);
    if (named.keys.size() > most) {
        return refuse("too_many_keys", "a list may have " + std::to_string(most) + " keys");
    }
    keys_wanted out{.keys = std::move(named.keys)};
    out.refused = unusable_keys(of, out.keys);
    return out;
}

poll_wanted wanted_poll(target const& split, std::chrono::seconds longest)
{
    poll_wanted out;
    bool waits = false;
    for (auto const& [name, encoded] : split.query) {
        if (name != "since" && name != "wait") continue;
        auto const value = query_decoded(encoded).value_or("");
        if (name == "since") {
            out.since = cache::parse_position(value);
            if (!out.since) out.refused = problem(400, "bad_request", "since is a position: <epoch>-<revision>");
        } else {
            auto const most = longest.count();
            auto const seconds = whole_number<std::chrono::seconds::rep>(value, 1, most);
            waits = true;
            out.wait = std::chrono::seconds{seconds.value_or(0)};
            if (seconds) continue;
            out.refused = problem(400, "bad_request", "wait is a number of seconds from 1 to " + std::to_string(most));
        }
    }
    if (waits && !out.since && out.refused.status == 200)
        out.refused = problem(400, "bad_request", "wait needs since, the position from which to wait for a change");
    return out;
}

question_wanted wanted_question(cache::tally const& of, route const& where, target const& split, limits const& bounds)
{
    if (where.id != route_id::top && where.id != route_id::rank) return {};
    auto const refuse = [](std::string_view code, std::string_view why) {
        return question_wanted{.what = {}, .refused = problem(400, code, why)};
    };
    bool const top = where.id == route_id::top;
    auto const by = query_value(split, "by");
    if (!by) return refuse("bad_request", "name the counter to rank by: ?by=");
    auto const& known = of.definition().counters;
    if (std::find(known.begin(), known.end(), *by) == known.end())
        return refuse("unknown_counter", "the tally has no counter of this name");
    auto const count =
        top ? count_of(split, "limit", 1, bounds.max_top, 10) : count_of(split, "around", 0, bounds.max_around, 0);
    if (!count) {
        return refuse("bad_request", top ? "limit is an integer from 1 to " + std::to_string(bounds.max_top)
                                         : "around is an integer from 0 to " + std::to_string(bounds.max_around));
    }
    if (top) return {.what = cache::top_question{*by, *count}};
    auto key = query_value(split, "key");
    if (!key)
        return refuse(has_query(split, "key") ? "bad_key" : "bad_request", "name the key, percent-encoded: ?key=");
    if (auto why = unusable_key(of, *key); why.status != 200) return {.what = {}, .refused = std::move(why)};
    return {.what = cache::rank_question{*by, std::move(*key), *count}};
}

action_wanted wanted_action(cache::tally const& of, route const& where, target const& split, std::string_view body)
{
    auto const refuse = [](response why) { return action_wanted{.what = {}, .refused = std::move(why)}; };
    auto const action = percent_decoded(where.action);
    auto const& known = of.definition().actions;
    if (!action || std::find(known.begin(), known.end(), *action) == known.end()) {
        return refuse(problem(404, "unknown_action", "the tally has no action of this name"));
    }
    auto const key = where.id == route_id::action_by_query ? key_of_query(split) : key_of_segment(where.key);
    if (!key && where.id == route_id::action_by_query) return refuse(bad_query());
    if (!key) return refuse(bad_segment());
    if (auto why = unusable_key(of, *key); why.status != 200) return refuse(std::move(why));
    if (!body.empty() && !is_json(body)) return refuse(problem(400, "bad_body", "the body must be JSON, or empty"));

    action_wanted out{.what = {.tally = of.definition().name, .action = *action, .key = *key, .body = std::nullopt}};
    if (!body.empty()) out.what.body = std::string{body};
    return out;
}

position_wanted wanted_position(target const& split)
{
    position_wanted out;
    for (auto const& [name, value] : split.query) {
        if (name != "at_least") continue;
        out.at = cache::parse_position(query_decoded(value).value_or(""));
        if (!out.at) out.refused = problem(400, "bad_request", "at_least is a position: <epoch>-<revision>");
        break;
    }
    return out;
}

counters_source source_of(target const& split)
{
    for (auto const& [name, value] : split.query) {
        if (name != "source") continue;
        return value == "database" ? counters_source::database : counters_source::unknown;
    }
    return counters_source::replica;
}

}  // namespace pgtally::server
