#include <pgtally/server/http/etag.hpp>

namespace pgtally::server {

namespace {

std::string_view without_weakness(std::string_view tag) noexcept
{
    return tag.starts_with("W/") ? tag.substr(2) : tag;
}

std::string_view trimmed(std::string_view text) noexcept
{
    auto const first = text.find_first_not_of(" \t");
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

}  // namespace

std::string make_etag(std::string_view epoch, std::uint64_t revision)
{
    std::string out{"W/\""};
    out += epoch;
    out += '-';
    out += std::to_string(revision);
    out += '"';
    return out;
}

bool etag_matches(std::string_view if_none_match, std::string_view etag) noexcept
{
    auto rest = trimmed(if_none_match);
    if (rest == "*") return true;
    while (!rest.empty()) {
        // A tag of another server may have a comma between its quotes. None of ours has, so splitting there loses no
        // match.
        auto const comma = rest.find(',');
        auto const tag = trimmed(rest.substr(0, comma));
        if (!tag.empty() && without_weakness(tag) == without_weakness(etag)) return true;
        if (comma == std::string_view::npos) break;
        rest.remove_prefix(comma + 1);
    }
    return false;
}

}  // namespace pgtally::server
