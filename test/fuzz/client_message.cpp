// What clients send over a WebSocket: any text is a message, or is refused with a reason; a message that is
// encoded and decoded is the same.

#include "fuzz.hpp"

#include <pgtally/server/ws/client_message.hpp>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

namespace {

using namespace pgtally::server;
using pgtally::fuzz::expect;
namespace json = boost::json;

json::array array_of(std::vector<std::string> const& keys)
{
    json::array out;
    for (auto const& key : keys) out.emplace_back(key);
    return out;
}

json::value id_of(std::string const& id, limits const& bounds)
{
    auto const value = json::parse(id);
    bool const is_string = value.is_string() && value.get_string().size() <= bounds.max_id_bytes;
    expect(value.is_int64() || is_string, "an id is a 64-bit integer or a string of reasonable length");
    return value;
}

struct encoder {
    limits const& bounds;

    json::object operator()(subscribe_message const& m) const
    {
        expect(m.interval.count() >= 0 && m.interval <= bounds.max_interval, "an interval is in its range");
        json::object out{{"type", "subscribe"}, {"id", id_of(m.id, bounds)}, {"tally", m.tally}};
        out["interval_ms"] = m.interval.count();
        if (m.keys) out["keys"] = array_of(*m.keys);
        if (m.since) out["since"] = json::object{{"epoch", m.since->epoch}, {"revision", m.since->revision}};
        return out;
    }
    json::object operator()(track_message const& m) const
    {
        return {{"type", "track"}, {"id", id_of(m.id, bounds)}, {"keys", array_of(m.keys)}};
    }
    json::object operator()(untrack_message const& m) const
    {
        return {{"type", "untrack"}, {"id", id_of(m.id, bounds)}, {"keys", array_of(m.keys)}};
    }
    json::object operator()(unsubscribe_message const& m) const
    {
        return {{"type", "unsubscribe"}, {"id", id_of(m.id, bounds)}};
    }
    json::object operator()(auth_message const& m) const { return {{"type", "auth"}, {"token", m.token}}; }
    json::object operator()(ping_message const&) const { return {{"type", "ping"}}; }
    json::object operator()(refusal const& m) const
    {
        expect(!m.code.empty() && !m.message.empty(), "a refusal says why");
        if (!m.id.empty()) id_of(m.id, bounds);
        return {};
    }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size)
{
    limits const bounds;
    auto const message = decode_client_message(pgtally::fuzz::text_of(data, size), bounds);
    auto const text = json::serialize(std::visit(encoder{bounds}, message));
    if (std::holds_alternative<refusal>(message)) return 0;
    auto const twice = decode_client_message(text, bounds);
    expect(twice.index() == message.index(), "a message encoded is one of its kind");
    expect(json::serialize(std::visit(encoder{bounds}, twice)) == text, "a message encoded and decoded is the same");
    return 0;
}
