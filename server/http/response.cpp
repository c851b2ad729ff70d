#include <pgtally/server/http/response.hpp>

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
        case 403: return "Forbidden";
        case 404: return "Not Found";
        case 405: return "Method Not Allowed";
        case 408: return "Request Timeout";
        case 409: return "Conflict";
        case 411: return "Length Required";
        case 413: return "Content Too Large";
        case 414: return "URI Too Long";
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

std::string encode_head(response const& answer, head_options chosen)
{
    std::string out;
    out.reserve(320);
    out += chosen.version == 10 ? "HTTP/1.0 " : "HTTP/1.1 ";
    out += std::to_string(answer.status);
    out += ' ';
    out += reason_phrase(answer.status);
    out += "\r\nServer: pgtally\r\n";
    for (auto const& [name, value] : answer.fields) {
        out += name;
        out += ": ";
        out += value;
        out += "\r\n";
    }
    // RFC 9110, 8.6: no Content-Length in a 204; in a 304 it would be that of the body not sent.
    if (answer.status != 204 && answer.status != 304) {
        out += "Content-Type: ";
        out += answer.content_type;
        out += "\r\nContent-Length: ";
        out += std::to_string(answer.body.size());
        out += "\r\n";
    }
    if (!chosen.keep_alive) {
        out += "Connection: close\r\n";
    } else if (chosen.version == 10) {
        out += "Connection: keep-alive\r\n";
    }
    out += "\r\n";
    return out;
}

}  // namespace pgtally::server
