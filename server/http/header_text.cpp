#include <pgtally/server/http/header_text.hpp>

namespace pgtally::server {

namespace {

bool is_digit(char c) noexcept
{
    return c >= '0' && c <= '9';
}

// RFC 9110, 5.6.2: what a method consists of.
bool is_token_character(char c) noexcept
{
    constexpr std::string_view others = "!#$%&'*+-.^_`|~";
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || others.find(c) != std::string_view::npos;
}

}  // namespace

header_text::state header_text::look(std::string_view bytes) noexcept
{
    while (at_ < bytes.size()) {
        auto const first = bytes[line_];
        bool const empty = first == '\r';
        if (lines_ == 0 && !empty && !is_token_character(first)) return state::refused;
        if (lines_ > 0 && (first == ' ' || first == '\t')) return state::refused;

        constexpr std::string_view special{"\r\n\0", 3};
        at_ = bytes.find_first_of(special, at_);
        if (at_ == std::string_view::npos) {
            at_ = bytes.size();
            break;
        }
        if (bytes[at_] != '\r') return state::refused;
        if (at_ + 1 == bytes.size()) break;
        if (bytes[at_ + 1] != '\n') return state::refused;
        at_ += 2;
        if (!empty) {
            ++lines_;
        } else if (lines_ > 0) {
            return state::complete;
        } else {
            begin_ = at_;
            if (begin_ > most_skipped) return state::refused;
        }
        line_ = at_;
    }
    return state::incomplete;
}

bool names_other_version(std::string_view header) noexcept
{
    auto const line = header.substr(0, header.find('\r'));
    constexpr std::string_view name = " HTTP/";
    auto const at = line.rfind(name);
    if (at == std::string_view::npos || line.size() != at + name.size() + 3) return false;
    auto const version = line.substr(at + name.size());
    return is_digit(version[0]) && version[1] == '.' && is_digit(version[2]) && version != "1.1" && version != "1.0";
}

}  // namespace pgtally::server
