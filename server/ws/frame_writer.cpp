#include <pgtally/server/ws/frame_writer.hpp>

namespace pgtally::server {

namespace {

// The first byte of frames that are whole: RFC 6455, 5.2.
constexpr char text = '\x81', close = '\x88', ping = '\x89', pong = '\x8a';

void append_number(std::string& to, std::size_t value, unsigned bytes)
{
    while (bytes-- > 0) to += static_cast<char>(value >> (8 * bytes) & 0xff);
}

void append_control(std::string& to, char first, std::string_view payload)
{
    to += first;
    to += static_cast<char>(payload.size());
    to += payload;
}

}  // namespace

void append_text_head(std::string& to, std::size_t size)
{
    to += text;
    if (size < 126) return append_number(to, size, 1);
    to += size < 65'536 ? '\x7e' : '\x7f';
    append_number(to, size, size < 65'536 ? 2 : 8);
}

void append_ping(std::string& to)
{
    append_control(to, ping, {});
}

void append_pong(std::string& to, std::string_view payload)
{
    append_control(to, pong, payload);
}

void append_close(std::string& to, std::uint16_t code, std::string_view reason)
{
    if (code == 0) return append_control(to, close, {});
    auto size = reason.size();
    if (size > 123) {
        size = 123;
        while (size > 0 && (static_cast<unsigned char>(reason[size]) & 0xc0U) == 0x80U) --size;
    }
    std::string payload;
    append_number(payload, code, 2);
    payload += reason.substr(0, size);
    append_control(to, close, payload);
}

}  // namespace pgtally::server
