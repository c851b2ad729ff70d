#include <pgtally/server/base/json_text.hpp>
#include <pgtally/server/http/response.hpp>

#include <cstdint>

namespace pgtally::server {

std::string_view reason_phrase(unsigned status) noexcept
{
    switch (status) {
        case 200: return "OK";
        case 201: return "Created";
        case 202: return "Accepted";
        case 204: return "No Content";
        case 304: return "Not Modified";
        case 400: return "Bad Request";
        case 401: return "Unauthorized";
        case 403: return "Forbidden";
        case 404: return "Not Found";
        case 405: return "Method Not Allowed";
        case 408: return "Request Timeout";
        case 409: return "Conflict";
        case 412: return "Precondition Failed";
        case 413: return "Content Too Large";
        case 414: return "URI Too Long";
        case 421: return "Misdirected Request";
        case 422: return "Unprocessable Content";
        case 426: return "Upgrade Required";
        case 429: return "Too Many Requests";
        case 431: return "Request Header Fields Too Large";
        case 500: return "Internal Server Error";
        case 501: return "Not Implemented";
        case 503: return "Service Unavailable";
        case 504: return "Gateway Timeout";
        case 505: return "HTTP Version Not Supported";
        default: return "Unknown";
    }
}

response problem(unsigned status, std::string_view code, std::string_view detail, std::optional<std::string_view> key)
{
    response out{.status = status, .content_type = "application/problem+json"};
    out.body = R"({"type":"about:blank","title":)";
    append_json(out.body, reason_phrase(status));
    out.body += R"(,"status":)";
    append_json(out.body, std::uint64_t{status});
    out.body += R"(,"code":)";
    append_json(out.body, code);
    out.body += R"(,"detail":)";
    append_json(out.body, detail);
    if (key) {
        out.body += R"(,"key":)";
        append_json(out.body, *key);
    }
    out.body += '}';
    return out;
}

framing framing_of(response const& answer, unsigned version) noexcept
{
    bool const has_end = !answer.streamed || answer.streamed->size();
    if (has_end && !answer.lasts) return framing::length;
    return version == 10 ? framing::close : framing::chunked;
}

namespace {

void append_field(std::string& out, std::string_view name, std::string_view value)
{
    out += name;
    out += ": ";
    out += value;
    out += "\r\n";
}

void append_body_fields(std::string& out, response const& answer, unsigned version)
{
    append_field(out, "Content-Type", answer.content_type);
    switch (framing_of(answer, version)) {
        case framing::length: {
            auto const size = answer.streamed ? answer.streamed->size().value_or(0) : answer.body.size();
            append_field(out, "Content-Length", std::to_string(size));
            break;
        }
        case framing::chunked: append_field(out, "Transfer-Encoding", "chunked"); break;
        case framing::close: break;
    }
}

}  // namespace

std::string encode_head(response const& answer, head_options chosen)
{
    std::string out;
    out.reserve(320);
    out += chosen.version == 10 ? "HTTP/1.0 " : "HTTP/1.1 ";
    out += std::to_string(answer.status);
    out += ' ';
    out += reason_phrase(answer.status);
    out += "\r\nServer: pgtally\r\n";
    if (!chosen.date.empty()) append_field(out, "Date", chosen.date);
    for (auto const& [name, value] : answer.fields) append_field(out, name, value);
    if (answer.status == 503 || answer.status == 429)
        append_field(out, "Retry-After", std::to_string(chosen.retry_after.count()));
    // RFC 9110, 8.6: no Content-Length in a 204; in a 304 it would be that of the body not sent.
    if (answer.status != 204 && answer.status != 304) append_body_fields(out, answer, chosen.version);
    bool const keep_alive = chosen.keep_alive && framing_of(answer, chosen.version) != framing::close;
    if (!keep_alive) append_field(out, "Connection", "close");
    else if (chosen.version == 10) append_field(out, "Connection", "keep-alive");
    out += "\r\n";
    return out;
}

}  // namespace pgtally::server
