#include <pgtally/server/base/counters_json.hpp>
#include <pgtally/server/base/json_text.hpp>
#include <pgtally/server/push/push_json.hpp>
#include <pgtally/server/ws/ws_encoder.hpp>

namespace pgtally::server {

namespace {

// {"type":"snapshot","id":1
std::string opening(std::string_view type, std::string_view id)
{
    std::string out{R"({"type":")"};
    out += type;
    out += '"';
    if (!id.empty()) {
        out += R"(,"id":)";
        out += id;
    }
    return out;
}

}  // namespace

ws_message encode(push const& what, shared_changes& shared)
{
    ws_message out;
    switch (what.what) {
        case push::kind::snapshot:
            out.head = opening("snapshot", what.id) + ',';
            append_snapshot(out.head, what);
            out.head += '}';
            break;
        case push::kind::change:
            out.head = opening("change", what.id) + ',';
            out.tail = shared.text_of(*what.update, *what.from);
            out.changes = what.update->values();
            out.conflated = what.conflated;
            break;
        case push::kind::state:
            out.head = opening("state", what.id) + ',';
            append_state(out.head, what.state, what.reason);
            out.head += '}';
            break;
        case push::kind::dropped: out.head = opening("unsubscribed", what.id) + R"(,"reason":"dropped"})"; break;
        case push::kind::ended:
            out.head = opening("unsubscribed", what.id) + R"(,"reason":")" + what.reason + "\"}";
            break;
        case push::kind::refused: out.head = encode_error(what.why); break;
    }
    return out;
}

std::string encode_error(refusal const& why)
{
    auto out = opening("error", why.id);
    out += ',';
    append_refusal(out, why);
    out += '}';
    return out;
}

std::string encode_unsubscribed(std::string_view id)
{
    return opening("unsubscribed", id) + '}';
}

std::string encode_authenticated(std::optional<std::chrono::sys_seconds> until)
{
    auto const text = until ? std::to_string(until->time_since_epoch().count()) : std::string{"null"};
    return R"({"type":"authenticated","until":)" + text + '}';
}

std::string encode_pong()
{
    return R"({"type":"pong"})";
}

}  // namespace pgtally::server
