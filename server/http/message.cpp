#include <pgtally/server/http/forwarded.hpp>
#include <pgtally/server/http/message.hpp>
#include <pgtally/server/http/target.hpp>

#include <boost/beast/core/string.hpp>
#include <boost/beast/http/rfc7230.hpp>

#include <algorithm>
#include <array>

namespace pgtally::server {

namespace http = beast::http;

method method_of(http::verb verb) noexcept
{
    switch (verb) {
        case http::verb::get: return method::get;
        case http::verb::head: return method::head;
        case http::verb::post: return method::post;
        case http::verb::options: return method::options;
        default: return method::other;
    }
}

header_facts facts_of(message_header const& header)
{
    header_facts out{.version = header.version(), .target_bytes = header.target().size()};
    for (auto const& field : header) {
        auto const value = view_of(field.value());
        out.field_bytes += field.name_string().size() + value.size() + 4;
        switch (field.name()) {
            case http::field::host:
                ++out.hosts;
                out.host = value;
                break;
            case http::field::origin: ++out.origins; break;
            case http::field::content_length:
                ++out.content_lengths;
                out.content_length = value;
                break;
            case http::field::transfer_encoding:
                ++out.transfer_encodings;
                out.transfer_encoding = value;
                break;
            default: break;
        }
    }
    out.target_host = authority_of(view_of(header.target()));
    return out;
}

namespace {

template <class Name>
std::string joined_lines(message_header const& header, Name const& name, std::string_view separator = ", ")
{
    std::string out;
    auto const [first, last] = header.equal_range(name);
    for (auto at = first; at != last; ++at) {
        if (at != first) out += separator;
        out += view_of(at->value());
    }
    return out;
}

}  // namespace

std::string joined(message_header const& header, http::field name)
{
    return joined_lines(header, name);
}

void join_lists(message_header& header)
{
    std::array constexpr lists{http::field::connection, http::field::upgrade, http::field::sec_websocket_protocol,
                               http::field::sec_websocket_extensions, http::field::expect};
    std::array<unsigned, lists.size()> lines{};  // one pass: a look-up of each compares names with half of the fields
    for (auto const& field : header) {
        auto const at = std::ranges::find(lists, field.name());
        if (at != lists.end()) ++lines[static_cast<std::size_t>(at - lists.begin())];
    }
    for (std::size_t i = 0; i < lists.size(); ++i) {
        if (lines[i] > 1) header.set(lists[i], joined(header, lists[i]));
    }
}

std::optional<handshake_facts> handshake_of(message_header const& header)
{
    if (header.version() < 11 || header.method() != http::verb::get) return std::nullopt;
    if (!http::token_list{header[http::field::connection]}.exists("upgrade")) return std::nullopt;
    if (!http::token_list{header[http::field::upgrade]}.exists("websocket")) return std::nullopt;
    return handshake_facts{.keys = header.count(http::field::sec_websocket_key),
                           .key = view_of(header[http::field::sec_websocket_key]),
                           .versions = header.count(http::field::sec_websocket_version),
                           .version = view_of(header[http::field::sec_websocket_version]),
                           .protocols = joined(header, http::field::sec_websocket_protocol)};
}

ip_address client_of(message_header const& header, ip_address const& peer, std::vector<ip_network> const& trusted)
{
    if (!is_trusted(trusted, peer)) return peer;
    return client_of(peer, joined_lines(header, "X-Forwarded-For"), joined(header, http::field::forwarded), trusted);
}

namespace {

// Takes what the request keeps of a field. A list over several fields is joined at the first of them.
void take_field(request& into, message_type const& from, message_type::value_type const& field)
{
    auto const value = view_of(field.value());
    auto const join = [&](std::string& to, std::string_view separator = ", ") {
        if (to.empty()) to = joined_lines(from, field.name(), separator);
    };
    switch (field.name()) {
        case http::field::host: into.host = value; break;
        case http::field::origin: into.origin = value; break;
        case http::field::if_match: join(into.if_match); break;
        case http::field::if_none_match: join(into.if_none_match); break;
        case http::field::accept: join(into.accept); break;
        case http::field::accept_encoding: join(into.accept_encoding); break;
        case http::field::authorization: join(into.authorization); break;
        case http::field::cookie: join(into.cookies, "; "); break;
        case http::field::access_control_request_method: into.preflight = true; break;
        case http::field::unknown:
            if (into.last_event_id.empty() && beast::iequals(field.name_string(), "Last-Event-ID"))
                into.last_event_id = value;
            break;
        default: break;
    }
}

}  // namespace

request request_of(message_type const& message, entrance where)
{
    request out{.verb = method_of(message.method()),
                .target = view_of(message.target()),
                .body = message.body(),
                .admin = where.kind == address_kind::admin,
                .loopback = where.loopback};
    for (auto const& field : message) take_field(out, message, field);
    // RFC 9112, 3.2.2: the host of an absolute target replaces the field.
    if (auto const named = authority_of(view_of(message.target()))) out.host = *named;
    return out;
}

}  // namespace pgtally::server
