#include <pgtally/server/base/counters_json.hpp>
#include <pgtally/server/base/json_text.hpp>
#include <pgtally/server/push/push_json.hpp>
#include <pgtally/server/ws/ws_encoder.hpp>

namespace pgtally::server {

namespace {

// {"type":"snapshot","id":1
void append_opening(std::string& out, std::string_view type, std::string_view id)
{
    out += R"({"type":")";
    out += type;
    out += '"';
    if (id.empty()) return;
    out += R"(,"id":)";
    out += id;
}

std::string opening(std::string_view type, std::string_view id)
{
    std::string out;
    append_opening(out, type, id);
    return out;
}

void append_unsubscribed(std::string& out, std::string_view id, std::string_view reason)
{
    append_opening(out, "unsubscribed", id);
    out += R"(,"reason":")";
    out += reason;
    out += "\"}";
}

}  // namespace

void encode(push const& what, shared_changes& shared, ws_message& out)
{
    out.clear();
    switch (what.what) {
        case push::kind::snapshot:
            append_opening(out.head, "snapshot", what.id);
            out.head += ',';
            append_snapshot(out.head, what);
            out.head += '}';
            break;
        case push::kind::change:
            append_opening(out.head, "change", what.id);
            out.head += ',';
            out.tail = shared.text_of(*what.update, *what.from);
            out.changes = what.update->values();
            out.conflated = what.conflated;
            break;
        case push::kind::state:
            append_opening(out.head, "state", what.id);
            out.head += ',';
            append_state(out.head, what.state, what.reason);
            out.head += '}';
            break;
        case push::kind::dropped: append_unsubscribed(out.head, what.id, "dropped"); break;
        case push::kind::ended: append_unsubscribed(out.head, what.id, what.reason); break;
        case push::kind::refused: out.head = encode_error(what.why); break;
    }
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
