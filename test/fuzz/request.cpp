// Request targets: splits, decodes and routes them, and reads the keys that they request from a tally.

#include "fuzz.hpp"

#include <pgtally/server/api/api_query.hpp>
#include <pgtally/server/api/router.hpp>
#include <pgtally/server/http/target.hpp>

#include <functional>
#include <string>

namespace {

using namespace pgtally::server;
using pgtally::fuzz::expect;

std::string encoded(std::string_view text)
{
    constexpr char const* digits = "0123456789abcdef";
    std::string out;
    for (char const c : text) {
        auto const byte = static_cast<unsigned char>(c);
        out += '%';
        out += digits[byte >> 4];
        out += digits[byte & 15];
    }
    return out;
}

bool within(std::string_view part, std::string_view whole)
{
    std::less_equal<> const before;
    return part.empty() ||
           (before(whole.data(), part.data()) && before(part.data() + part.size(), whole.data() + whole.size()));
}

pgtally::cache::definition counting(char const* key_type)
{
    pgtally::cache::definition what;
    what.name = "t";
    what.key_type = key_type;
    what.counters = {"a"};
    what.actions = {"fav"};
    return what;
}

bool refuses(response const& answer)
{
    return answer.status >= 400 && answer.status < 500 && !answer.body.empty();
}

void ask(route const& where, target const& split, pgtally::cache::tally const& of)
{
    constexpr std::size_t most = 3;
    auto const keys = wanted_keys(of, where, split, most);
    expect(keys.refused.status == 200 || refuses(keys.refused), "a refusal is a client's error, and says so");
    if (keys.refused.status == 200) {
        expect(keys.keys.size() <= most, "no more keys than may be asked for");
        for (auto const& key : keys.keys) {
            expect(parse_key(of.definition().kind(), key).has_value(), "what is asked for is a key");
        }
    }
    auto const question = wanted_question(of, where, split, limits{});
    expect(question.refused.status == 200 || refuses(question.refused), "a refusal is a client's error, and says so");
    auto const action = wanted_action(of, where, split, R"({"a":1})");
    expect(action.refused.status == 200 || refuses(action.refused), "a refusal is a client's error, and says so");
    auto const position = wanted_position(split);
    expect(position.refused.status == 200 || refuses(position.refused), "a refusal is a client's error, and says so");
    constexpr std::chrono::seconds longest{60};
    auto const poll = wanted_poll(split, longest);
    expect(poll.refused.status == 200 || refuses(poll.refused), "a refusal is a client's error, and says so");
    if (poll.refused.status == 200) expect(poll.wait <= longest, "nobody waits longer");
    source_of(split);
    has_query(split, "live");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size)
{
    auto const text = pgtally::fuzz::text_of(data, size);
    pgtally::cache::tally const numbers{counting("bigint"), {}}, texts{counting("text"), {}};
    for (auto const* const of : {&numbers, &texts}) {
        auto const listed = listed_keys(*of, text, 3);
        expect(listed.refused.status == 200 || refuses(listed.refused), "a refusal is a client's error, and says so");
    }
    expect(percent_decoded(encoded(text)) == text, "bytes percent-encoded and decoded are the same");
    expect(query_decoded(encoded(text)) == text, "bytes percent-encoded and decoded are the same, in a query too");
    if (auto const decoded = percent_decoded(text)) expect(decoded->size() <= size, "decoding makes nothing longer");
    auto const split = split_target(text);
    if (!split) return 0;
    expect(!split->path.empty(), "a target has a path");
    for (auto const& segment : split->path) {
        expect(within(segment, text), "a segment is a piece of the target");
        expect(segment.find_first_of("/?") == std::string_view::npos, "a segment has no separator in it");
    }
    for (auto const& [name, value] : split->query) {
        expect(within(value, text), "a value of the query is a piece of the target");
        expect(name.size() <= size, "decoding makes nothing longer");
    }
    for (bool const admin : {false, true}) {
        auto const where = find_route(split->path, admin);
        expect(within(where.key, text) && within(where.tally, text), "a route's parts are pieces of the target");
        if (where.id == route_id::none) continue;
        expect(!allowed_methods(where.id, admin).empty(), "a route can be asked by some method");
        bool const of_tally = where.id == route_id::tally || where.id == route_id::keys || where.id == route_id::key ||
                              where.id == route_id::action || where.id == route_id::top || where.id == route_id::rank ||
                              where.id == route_id::action_by_query;
        if (!of_tally) continue;
        ask(where, *split, numbers);
        ask(where, *split, texts);
    }
    return 0;
}
