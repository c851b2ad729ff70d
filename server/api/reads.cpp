#include <pgtally/server/api/reads.hpp>
#include <pgtally/server/base/answers_json.hpp>
#include <pgtally/server/base/counters_json.hpp>
#include <pgtally/server/base/json_text.hpp>
#include <pgtally/server/http/etag.hpp>
#include <pgtally/server/http/response.hpp>

#include <boost/unordered/unordered_flat_set.hpp>

#include <algorithm>
#include <chrono>
#include <functional>
#include <set>
#include <span>
#include <variant>

namespace pgtally::server {

namespace {

void append_names(std::string& out, std::vector<std::string> const& names)
{
    char separator = '[';
    for (auto const& name : names) {
        out += separator;
        separator = ',';
        append_json(out, name);
    }
    if (names.empty()) out += '[';
    out += ']';
}

// {"name":…,…,"state":"live" without the closing brace.
void append_description(std::string& out, cache::tally const& of, audience who, bool whole = true)
{
    out += R"({"name":)";
    append_json(out, of.definition().name);
    out += R"(,"source":)";
    append_json(out, of.definition().source);
    out += R"(,"counters":)";
    append_names(out, of.definition().counters);
    out += R"(,"actions":)";
    append_names(out, of.definition().actions);
    if (whole) {
        out += R"(,"size":)";
        append_json(out, std::uint64_t{of.table().nonzero()});
    }
    out += ',';
    append_standing(out, of, who);
}

// The tag of a tally that is not live would prove nothing, so such a tally has none: only `*` lists its state.
bool is_listed(cache::tally const& of, std::uint64_t changed_at, std::string_view field)
{
    bool const live = of.state() == cache::state::live;
    auto const holds = [&](std::uint64_t revision) {
        return live && (revision == changed_at || (revision > changed_at && of.knows(revision)));
    };
    return lists(field, of.epoch(), holds);
}

response precondition_failed()
{
    return problem(412, "precondition_failed", "the counters are not those that If-Match or If-None-Match require");
}

// 304 if the client has what was changed at `changed_at` the last time.
response conditional(cache::tally const& of, std::uint64_t changed_at, asker const& by, std::string body)
{
    if (!by.if_match.empty() && !is_listed(of, changed_at, by.if_match)) return precondition_failed();
    response out{.body = std::move(body)};
    if (of.state() != cache::state::live) return out;
    if (is_listed(of, changed_at, by.if_none_match)) {
        out.status = 304;
        out.body.clear();
    }
    out.fields.emplace_back("ETag", make_etag(of.epoch(), changed_at));
    return out;
}

cache::key parsed(cache::tally const& of, std::string_view key)
{
    return cache::parse_key(of.definition().kind(), key).value_or(cache::key{});
}

std::uint64_t newest_of_keys(cache::tally const& of, std::vector<std::string> const& keys)
{
    std::uint64_t newest = 0;
    for (auto const& key : keys) newest = std::max(newest, of.changed_at(parsed(of, key)));
    return newest;
}

// What the tally remembers of a top; null if it is not ranked yet, and for a rank.
cache::answers::watch const* top_of(cache::tally& of, cache::question const& about)
{
    auto const* const top = std::get_if<cache::top_question>(&about);
    return top == nullptr ? nullptr : of.questions().recall(*top, std::chrono::steady_clock::now());
}

// A change of any key can change the answer of which nothing is remembered.
std::uint64_t changed_at(cache::tally const& of, cache::answers::watch const* known)
{
    return known == nullptr ? of.last_change() : known->changed_at;
}

// Each key once: the names in a JSON object should be unique.
template <class Counters>
void append_keys_object(std::string& out, cache::tally const& of, std::vector<std::string> const& keys,
                        Counters counters_of)
{
    boost::unordered_flat_set<std::string_view, cache::key_hash, std::equal_to<>> seen{
        keys.size(), cache::key_hash{cache::process_hash_seed()}};
    char separator = '{';
    out += R"("keys":)";
    for (std::size_t i = 0; i < keys.size(); ++i) {
        if (!seen.insert(keys[i]).second) continue;
        out += separator;
        separator = ',';
        append_json(out, keys[i]);
        out += ':';
        append_counters(out, of.definition().counters, std::span<std::int64_t const>{counters_of(i)});
    }
    if (keys.empty()) out += '{';
    out += '}';
}

}  // namespace

response read_tallies(replica_set::tallies const& all, audience who, rights const& may)
{
    response out;
    char separator = '[';
    out.body = R"({"tallies":)";
    for (auto const& [name, tally] : all) {
        if (may.to_tally(name) != access::allowed) continue;
        out.body += separator;
        separator = ',';
        append_description(out.body, *tally, who, may.to_whole(name) == access::allowed);
        out.body += '}';
    }
    if (separator == '[') out.body += '[';
    out.body += "]}";
    return out;
}

response read_unknown_tallies(std::vector<std::string> const& names, cache::state state, std::string_view trouble,
                              rights const& may)
{
    response out;
    char separator = '[';
    out.body = R"({"tallies":)";
    for (auto const& name : std::set<std::string_view>{names.begin(), names.end()}) {
        if (may.to_tally(name) != access::allowed) continue;
        out.body += separator;
        separator = ',';
        out.body += R"({"name":)";
        append_json(out.body, name);
        out.body += R"(,"source":"","counters":[],"actions":[],"size":0,"epoch":"","revision":0,"state":)";
        append_json(out.body, to_string(state));
        if (!trouble.empty()) {
            out.body += R"(,"reason":)";
            append_json(out.body, trouble);
        }
        out.body += '}';
    }
    if (separator == '[') out.body += '[';
    out.body += "]}";
    return out;
}

response read_tally(cache::tally const& of, asker const& by)
{
    std::string body;
    append_description(body, of, by.who);
    body += R"(,"sum":)";
    append_counters(body, of.definition().counters, of.table().sums());
    body += '}';
    return conditional(of, of.last_change(), by, std::move(body));
}

response read_key(cache::tally const& of, std::string const& key, asker const& by)
{
    auto const k = parsed(of, key);
    std::string body{R"({"key":)"};
    append_json(body, key);
    body += R"(,"counters":)";
    append_counters(body, of.definition().counters, of.counters(k));
    body += ',';
    append_standing(body, of, by.who);
    body += '}';
    return conditional(of, of.changed_at(k), by, std::move(body));
}

response read_keys(cache::tally const& of, std::vector<std::string> const& keys, asker const& by)
{
    std::string body{"{"};
    append_keys_object(body, of, keys, [&](std::size_t i) { return of.counters(parsed(of, keys[i])); });
    body += ',';
    append_standing(body, of, by.who);
    body += '}';
    return conditional(of, newest_of_keys(of, keys), by, std::move(body));
}

response read_now(request const& asked, cache::tally& of, route const& where, subject const& what)
{
    asker const by{asked.who(), asked.if_match, asked.if_none_match};
    if (what.about) {
        if (ranking_for(of, *what.about) != nullptr) return read_answer(of, *what.about, by);
        return problem(503, "ranking", "the keys are being ranked by this counter; try again");
    }
    if (where.id == route_id::tally) return read_tally(of, by);
    if (where.id == route_id::key) return read_key(of, what.keys.front(), by);
    auto out = read_keys(of, what.keys, by);
    // RFC 9110, 13.1.2: 304 is for GET and HEAD.
    if (out.status == 304 && asked.verb == method::post) return precondition_failed();
    return out;
}

std::uint64_t newest_change(cache::tally& of, subject const& what)
{
    if (what.about) return changed_at(of, top_of(of, *what.about));
    if (what.keys.empty()) return of.last_change();
    return newest_of_keys(of, what.keys);
}

response read_unchanged(cache::since_point const& since)
{
    response out{.status = 204};
    out.fields.emplace_back("ETag", make_etag(since.epoch, since.revision));
    return out;
}

cache::ranking const* ranking_for(cache::tally& of, cache::question const& about)
{
    auto const* const by = cache::counter_of(about);
    auto const& names = of.definition().counters;
    auto const at = by == nullptr ? names.end() : std::ranges::find(names, *by);
    if (at == names.end()) return nullptr;
    return of.questions().ranked(static_cast<std::size_t>(at - names.begin()), std::chrono::steady_clock::now());
}

response read_answer(cache::tally& of, cache::question const& about, asker const& by)
{
    std::string body{"{"};
    auto const* const known = top_of(of, about);
    if (known != nullptr) {
        append_answer(body, about, *known->now, std::span{known->now->rows}.first(known->rows),
                      of.definition().counters);
    } else {
        auto const& rank = std::get<cache::rank_question>(about);
        cache::answer found;
        cache::answer_rank(found, of.table(), *ranking_for(of, about), parsed(of, rank.key), rank.around);
        append_answer(body, about, found, found.rows, of.definition().counters);
    }
    if (auto const* const top = std::get_if<cache::top_question>(&about)) {
        body += R"(,"by":)";
        append_json(body, top->by);
    }
    body += ',';
    append_standing(body, of, by.who);
    body += '}';
    return conditional(of, changed_at(of, known), by, std::move(body));
}

response database_key(cache::tally const& of, std::string const& key, std::vector<std::int64_t> const& counters)
{
    response out{.body = R"({"key":)"};
    append_json(out.body, key);
    out.body += R"(,"counters":)";
    append_counters(out.body, of.definition().counters, std::span<std::int64_t const>{counters});
    out.body += R"(,"state":"database"})";
    return out;
}

response database_keys(cache::tally const& of, std::vector<std::string> const& keys,
                       std::vector<std::vector<std::int64_t>> const& counters)
{
    response out{.body = "{"};
    append_keys_object(out.body, of, keys, [&](std::size_t i) { return std::span<std::int64_t const>{counters[i]}; });
    out.body += R"(,"state":"database"})";
    return out;
}

response refuse_unless_holds(cache::tally const& of, std::string const& key, asker const& by)
{
    auto const changed_at = of.changed_at(parsed(of, key));
    bool const readable = of.has_counters();
    auto const listed = [&](std::string_view field) { return readable && is_listed(of, changed_at, field); };
    bool const refused =
        (!by.if_match.empty() && !listed(by.if_match)) || (!by.if_none_match.empty() && listed(by.if_none_match));
    return refused ? precondition_failed() : response{};
}

response unreadable(cache::tally const& of, audience who)
{
    if (of.has_counters()) return {};
    auto const why = text_for(who, of.reason());
    if (of.state() == cache::state::failed) return problem(503, "failed", why);
    std::string detail{"the tally is being loaded for the first time"};
    if (!why.empty()) detail.append(": ").append(why);
    return problem(503, "loading", detail);
}

response unusable_key(cache::tally const& of, std::string_view key)
{
    if (cache::parse_key(of.definition().kind(), key)) return {};
    if (!cache::is_text(key)) return problem(400, "bad_key", "a key is UTF-8 without a NUL");
    return problem(400, "bad_key", "no value of type " + of.definition().key_type + " prints like this key", key);
}

}  // namespace pgtally::server
