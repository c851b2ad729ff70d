#include <pgtally/cache/drift.hpp>

#include <algorithm>
#include <string_view>

namespace pgtally::cache {

namespace {

void append_quoted(std::string& out, std::string_view text)
{
    constexpr std::string_view digits = "0123456789abcdef";
    out += '"';
    for (char const c : text) {
        auto const byte = static_cast<unsigned char>(c);
        if (byte < 0x20 || byte == 0x7f) {
            out += "\\u00";
            out += digits[byte >> 4];
            out += digits[byte & 0xf];
            continue;
        }
        if (c == '"' || c == '\\') out += '\\';
        out += c;
    }
    out += '"';
}

void append_values(std::string& out, std::vector<std::string> const& names, std::vector<std::int64_t> const& values)
{
    for (std::size_t i = 0; i < std::min(names.size(), values.size()); ++i) {
        out += ' ' + names[i] + '=' + std::to_string(values[i]);
    }
}

}  // namespace

std::string describe(drift const& what, std::vector<std::string> const& counters)
{
    std::string out{"key "};
    append_quoted(out, what.key);
    out += " showed";
    append_values(out, counters, what.served);
    out += ", the truth is";
    append_values(out, counters, what.truth);
    return out;
}

}  // namespace pgtally::cache
