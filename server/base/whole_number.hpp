#pragma once

#include <charconv>
#include <optional>
#include <string_view>
#include <system_error>

namespace pgtally::server {

// The integer that is the whole text, without a sign unless it is negative. Nothing if the text is not one from `least` to
// `most`.
template <class Integer>
std::optional<Integer> whole_number(std::string_view text, Integer least, Integer most) noexcept
{
    Integer out{};
    auto const* const last = text.data() + text.size();
    auto const [end, failure] = std::from_chars(text.data(), last, out);
    if (failure != std::errc{} || end != last || out < least || out > most) return std::nullopt;
    return out;
}

}  // namespace pgtally::server
