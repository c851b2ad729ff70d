#include <pgtally/server/base/json_text.hpp>

#include <algorithm>
#include <array>
#include <charconv>

namespace pgtally::server {

namespace {

bool is_plain(char c) noexcept
{
    return static_cast<unsigned char>(c) >= 0x20 && c != '"' && c != '\\';
}

void append_escaped(std::string& out, char c)
{
    constexpr std::string_view hex = "0123456789abcdef";
    switch (c) {
        case '"': out += "\\\""; return;
        case '\\': out += "\\\\"; return;
        case '\n': out += "\\n"; return;
        case '\r': out += "\\r"; return;
        case '\t': out += "\\t"; return;
        default: break;
    }
    auto const code = static_cast<unsigned char>(c);
    out += "\\u00";
    out += hex[code >> 4U];
    out += hex[code & 15U];
}

template <class T>
void append_integer(std::string& out, T value)
{
    std::array<char, 24> digits;
    auto const end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
    out.append(digits.data(), end);
}

}  // namespace

void append_json(std::string& out, std::string_view text)
{
    out += '"';
    while (!text.empty()) {
        auto const stop = std::find_if_not(text.begin(), text.end(), is_plain);
        auto const plain = static_cast<std::size_t>(stop - text.begin());
        out += text.substr(0, plain);
        text.remove_prefix(plain);
        if (text.empty()) break;
        append_escaped(out, text.front());
        text.remove_prefix(1);
    }
    out += '"';
}

void append_json(std::string& out, std::int64_t value)
{
    append_integer(out, value);
}

void append_json(std::string& out, std::uint64_t value)
{
    append_integer(out, value);
}

void append_json(std::string& out, cache::wide_sum value)
{
    __extension__ using wide_unsigned = unsigned __int128;
    auto rest = static_cast<wide_unsigned>(value);
    if (value < 0) {
        out += '-';
        rest = -rest;
    }
    std::array<char, 40> digits;
    auto at = digits.end();
    do {
        *--at = static_cast<char>('0' + static_cast<int>(rest % 10));
        rest /= 10;
    } while (rest != 0);
    out.append(at, digits.end());
}

}  // namespace pgtally::server
