#include <pgtally/server/ask/readable.hpp>
#include <pgtally/server/base/text.hpp>
#include <pgtally/server/check/wrapped.hpp>

namespace pgtally::server {

std::string wrapped(std::string_view text, std::size_t first, std::size_t rest, std::size_t width)
{
    if (width == 0) return std::string{text};
    std::string out;
    auto at = first;
    bool begins = true;
    while (!text.empty()) {
        auto const word = take_piece(text, ' ');
        auto const size = columns(word);
        if (!begins && at + 1 + size > width) {
            out += '\n' + std::string(rest, ' ');
            at = rest;
            begins = true;
        }
        if (!begins) {
            out += ' ';
            ++at;
        }
        out += word;
        at += size;
        begins = false;
    }
    return out;
}

bool is_statement(std::string_view text) noexcept
{
    for (std::string_view const verb : {"select ", "alter ", "grant ", "revoke ", "create ", "drop "}) {
        if (text.starts_with(verb)) return true;
    }
    return false;
}

}  // namespace pgtally::server
