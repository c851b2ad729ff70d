// Event payloads: any text is an event or an error; an event that is encoded and decoded is the same; after it is
// applied, the table's sums are right.

#include "fuzz.hpp"

#include <pgtally/cache/event.hpp>
#include <pgtally/cache/tally.hpp>

#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include <algorithm>
#include <string>
#include <utility>

namespace {

using namespace pgtally::cache;
using pgtally::fuzz::expect;
namespace json = boost::json;

// Encodes an event as the triggers do.
std::string encode(event const& e)
{
    if (e.what == event::kind::barrier) return json::serialize(json::object{{"barrier", e.barrier}});
    json::object out;
    out["t"] = e.tally;
    out["x"] = std::to_string(static_cast<std::uint64_t>(e.transaction));
    out["n"] = e.n;
    if (e.at_us != 0) out["at"] = e.at_us;
    switch (e.what) {
        case event::kind::truncate: out["truncate"] = true; break;
        case event::kind::reload: out["reload"] = true; break;
        case event::kind::definition: out["definition"] = true; break;
        default: {
            auto& all = out["d"].emplace_array();
            for (auto const& d : e.deltas) {
                auto& one = all.emplace_back(nullptr).emplace_array();
                one.emplace_back(e.key(d));
                for (auto const value : e.counters(d)) one.emplace_back(value);
            }
        }
    }
    return json::serialize(out);
}

bool same(event const& a, event const& b)
{
    bool result = a.what == b.what && a.tally == b.tally && a.barrier == b.barrier && a.transaction == b.transaction &&
                  a.n == b.n && a.at_us == b.at_us && a.deltas.size() == b.deltas.size();
    for (std::size_t i = 0; result && i < a.deltas.size(); ++i) {
        result = a.key(a.deltas[i]) == b.key(b.deltas[i]) &&
                 std::ranges::equal(a.counters(a.deltas[i]), b.counters(b.deltas[i]));
    }
    return result;
}

tally live(char const* key_type)
{
    definition what;
    what.name = "t";
    what.key_type = key_type;
    what.counters = {"a", "b"};
    return tally{std::move(what), limits{}};
}

void apply(event const& e, char const* key_type)
{
    auto of = live(key_type);
    of.begin_load();
    of.set_fence(*fence::parse("10:10:"));
    of.await_barrier("b");
    expect(of.barrier_back("b").has_value(), "an empty load comes through");
    auto const before = of.revision();
    auto const outcome = of.apply(e);
    bool const counted = outcome == outcome::applied;
    expect(counted || of.revision() == before, "what is not applied changes nothing");
    auto const& table = of.table();
    for (std::size_t i = 0; i < table.width(); ++i) {
        wide_sum sum = 0;
        for (counter_table::slot s = 0; s < table.end(); ++s) {
            if (table.used(s)) sum += table.counters(s)[i];
        }
        expect(sum == table.sums()[i], "the sums are those of the rows");
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size)
{
    auto const text = pgtally::fuzz::text_of(data, size);
    event e;
    auto const error = decode(text, e);
    expect(error == event_error::none || to_string(error) != "none", "an error has a name");
    if (auto const parsed = fence::parse(text)) parsed->contains(xid{12});
    if (auto const id = parse_xid(text)) expect(static_cast<std::uint64_t>(*id) >= 3, "an id is a normal one");
    if (error != event_error::none) return 0;
    expect(size < max_payload_bytes, "PostgreSQL carries it");
    // A space before it is JSON, and no plain event.
    event parsed;
    if (decode(" " + std::string{text}, parsed) == event_error::none)
        expect(same(e, parsed) && e.v == parsed.v, "both ways decode to the same");
    for (auto const& d : e.deltas) {
        expect(e.key(d).size() <= max_key_bytes && is_text(e.key(d)), "a key is a short text");
        expect(!e.counters(d).empty(), "a key has deltas");
    }
    auto const again = encode(e);
    event twice = e;
    if (again.size() < max_payload_bytes) {
        expect(decode(again, twice) == event_error::none, "an event encoded is an event");
        expect(same(e, twice), "an event encoded and decoded is the same");
    }
    apply(e, "bigint");
    apply(e, "text");
    return 0;
}
