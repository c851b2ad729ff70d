#include <pgtally/cache/fence.hpp>

#include <algorithm>
#include <charconv>

namespace pgtally::cache {

namespace {

// Removes a number from the front of `text`, up to the character `end` or the end of the text. Returns nothing if there
// is no number.
std::optional<std::uint64_t> take_number(std::string_view& text, char end) noexcept
{
    auto const length = std::min(text.find(end), text.size());
    std::uint64_t number = 0;
    auto const [stop, error] = std::from_chars(text.data(), text.data() + length, number);
    if (length == 0 || error != std::errc{} || stop != text.data() + length) return std::nullopt;
    text.remove_prefix(std::min(length + 1, text.size()));
    return number;
}

}  // namespace

std::optional<xid> parse_xid(std::string_view text) noexcept
{
    if (text.find_first_not_of("0123456789") != std::string_view::npos) return std::nullopt;
    auto const number = take_number(text, '\0');
    if (!number || *number < first_normal_xid || *number > (std::uint64_t{1} << 63)) return std::nullopt;
    return xid{*number};
}

std::optional<fence> fence::parse(std::string_view text)
{
    if (std::count(text.begin(), text.end(), ':') != 2) return std::nullopt;
    fence result;
    auto const xmin = take_number(text, ':');
    auto const xmax = take_number(text, ':');
    if (!xmin || !xmax || *xmin == 0 || *xmin > *xmax) return std::nullopt;
    result.xmin_ = *xmin;
    result.xmax_ = *xmax;
    while (!text.empty()) {
        if (text.back() == ',') return std::nullopt;
        auto const number = take_number(text, ',');
        if (!number || *number < *xmin || *number >= *xmax) return std::nullopt;
        if (!result.in_progress_.empty() && result.in_progress_.back() >= *number) return std::nullopt;
        result.in_progress_.push_back(*number);
    }
    return result;
}

bool fence::contains(xid transaction) const noexcept
{
    auto const id = static_cast<std::uint64_t>(transaction);
    if (id < xmin_) return true;
    if (id >= xmax_) return false;
    return !std::binary_search(in_progress_.begin(), in_progress_.end(), id);
}

}  // namespace pgtally::cache
