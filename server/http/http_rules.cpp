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

}  // namespace

response refuse_header(header_facts const& facts, limits const& bounds)
{
    if (facts.version != 10 && facts.version != 11)
        return problem(505, "bad_version", "this server speaks HTTP/1.1 and HTTP/1.0");
    if (facts.target_bytes > bounds.max_target_bytes) return target_too_long(bounds);
    if (facts.field_bytes > bounds.max_header_bytes) return header_too_long(bounds);
    if (facts.hosts > 1 || (facts.hosts == 0 && facts.version == 11))
        return problem(400, "bad_request", "name one Host");
    if (facts.origins > 1) return problem(400, "bad_request", "name one Origin");
    // If two servers disagree on where a request ends, an attacker can make them see different requests (RFC 9112,
    // 11.2).
    if (facts.transfer_encoding)
        return problem(411, "length_required", "send a Content-Length instead of a Transfer-Encoding");
    if (facts.content_lengths > 1) return problem(400, "bad_request", "name one Content-Length");
    return {};
}

response refuse_long_header(bool has_target, limits const& bounds)
{
    return has_target ? header_too_long(bounds) : target_too_long(bounds);
}

}  // namespace pgtally::server
