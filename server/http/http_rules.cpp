#include <pgtally/server/http/host.hpp>
#include <pgtally/server/http/http_rules.hpp>
#include <pgtally/server/http/response.hpp>

namespace pgtally::server {

namespace {

response target_too_long(limits const& bounds)
{
    return problem(414, "uri_too_long", "a target may have " + std::to_string(bounds.max_target_bytes) + " bytes");
}

response header_too_long(limits const& bounds)
{
    return problem(431, "header_too_large",
                   "the header's fields may have " + std::to_string(bounds.max_header_bytes) + " bytes");
}

response bad_request(std::string_view why)
{
    return problem(400, "bad_request", why);
}

bool is_chunked(std::string_view coding) noexcept
{
    constexpr std::string_view chunked = "chunked";
    if (coding.size() != chunked.size()) return false;
    for (std::size_t i = 0; i < coding.size(); ++i) {
        if ((coding[i] | 0x20) != chunked[i]) return false;
    }
    return true;
}

// If two servers disagree on where a request ends, an attacker can make them see different requests (RFC 9112, 6.1, 6.3
// and 11.2). So what leaves any doubt is refused.
response refuse_framing(header_facts const& facts)
{
    if (facts.content_lengths > 1) return bad_request("name one Content-Length");
    if (facts.content_lengths == 1 && facts.content_length.find_first_not_of("0123456789") != std::string_view::npos)
        return bad_request("a Content-Length is a number");
    if (facts.transfer_encodings == 0) return {};
    if (facts.version == 10) return bad_request("HTTP/1.0 has no Transfer-Encoding");
    if (facts.content_lengths > 0) return bad_request("name a Content-Length or a Transfer-Encoding, not both");
    if (facts.transfer_encodings > 1 || !is_chunked(facts.transfer_encoding))
        return bad_request("the Transfer-Encoding can be chunked, and no other");
    return {};
}

// A base64 text of 16 bytes.
bool is_websocket_key(std::string_view key) noexcept
{
    constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    return key.size() == 24 && key.ends_with("==") &&
           key.substr(0, 22).find_first_not_of(digits) == std::string_view::npos;
}

}  // namespace

response refuse_header(header_facts const& facts, limits const& bounds)
{
    if (facts.version != 10 && facts.version != 11)
        return problem(505, "bad_version", "this server speaks HTTP/1.1 and HTTP/1.0");
    if (facts.target_bytes > bounds.max_target_bytes) return target_too_long(bounds);
    if (facts.field_bytes > bounds.max_header_bytes) return header_too_long(bounds);
    if (facts.hosts > 1 || (facts.hosts == 0 && facts.version == 11)) return bad_request("name one Host");
    if (facts.hosts == 1 && !is_host(facts.host))
        return bad_request("Host is a name or an address, and a port or none");
    if (facts.target_host && !is_host(*facts.target_host))
        return bad_request("the host of the target is a name or an address, and a port or none");
    if (facts.origins > 1) return bad_request("name one Origin");
    return refuse_framing(facts);
}

response refuse_long_header(bool has_target, limits const& bounds)
{
    return has_target ? header_too_long(bounds) : target_too_long(bounds);
}

response refuse_handshake(handshake_facts const& facts)
{
    if (facts.versions != 1 || facts.version != "13") {
        auto out = problem(426, "upgrade_required", "this server speaks version 13 of the WebSocket protocol");
        out.fields.emplace_back("Upgrade", "websocket");
        out.fields.emplace_back("Sec-WebSocket-Version", "13");
        return out;
    }
    if (facts.keys != 1 || !is_websocket_key(facts.key))
        return bad_request("Sec-WebSocket-Key is one base64 text of 16 bytes");
    return {};
}

}  // namespace pgtally::server
