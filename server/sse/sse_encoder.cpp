#include <pgtally/server/base/counters_json.hpp>
#include <pgtally/server/base/json_text.hpp>
#include <pgtally/server/push/push_json.hpp>
#include <pgtally/server/sse/sse_encoder.hpp>

namespace pgtally::server {

namespace {

std::string opening(std::string_view name)
{
    std::string out{"event: "};
    out += name;
    out += '\n';
    return out;
}

void append_id(std::string& out, push const& what)
{
    out += "id: ";
    out += what.epoch;
    out += '-';
    out += std::to_string(what.update->revision);
    out += '\n';
}

constexpr std::string_view end_of_event = "\n\n";

}  // namespace

sse_message encode_event(push const& what, shared_changes& shared)
{
    sse_message out{.end = end_of_event};
    switch (what.what) {
        case push::kind::snapshot:
            out.head = opening("snapshot");
            if (!what.update->more) append_id(out.head, what);
            out.head += "data: {";
            append_snapshot(out.head, what);
            out.head += '}';
            break;
        case push::kind::change:
            out.head = opening("change");
            append_id(out.head, what);
            out.head += "data: {";
            out.tail = shared.text_of(*what.update, *what.from);
            out.changes = what.update->values();
            out.conflated = what.conflated;
            break;
        case push::kind::state:
            out.head = opening("state") + "data: {";
            append_state(out.head, what.state, what.reason);
            out.head += '}';
            break;
        case push::kind::dropped: out.head = opening("unsubscribed") + R"(data: {"reason":"dropped"})"; break;
        case push::kind::ended:
            out.head = opening("unsubscribed") + R"(data: {"reason":")" + what.reason + "\"}";
            break;
        case push::kind::refused:
            out.head = opening("error") + "data: ";
            out.head += '{';
            append_refusal(out.head, what.why);
            out.head += '}';
            break;
    }
    return out;
}

sse_message encode_retry(std::chrono::milliseconds after)
{
    return {.head = "retry: " + std::to_string(after.count()), .end = end_of_event};
}

sse_message encode_comment()
{
    return {.head = ":", .end = end_of_event};
}

}  // namespace pgtally::server
