#include <pgtally/server/http/etag.hpp>

#include <charconv>
#include <system_error>

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

// Whether `tag`, without its weakness, is of the present state.
bool is_present(std::string_view tag, shown_state const& of) noexcept
{
    auto const frame = of.epoch.size() + 3;  // two quotes and a dash
    if (tag.size() <= frame || tag.front() != '"' || tag.back() != '"') return false;
    tag = tag.substr(1, tag.size() - 2);
    if (!tag.starts_with(of.epoch) || tag[of.epoch.size()] != '-') return false;
    auto const digits = tag.substr(of.epoch.size() + 1);
    std::uint64_t revision = 0;
    auto const* const last = digits.data() + digits.size();
    auto const [end, failure] = std::from_chars(digits.data(), last, revision);
    return failure == std::errc{} && end == last && of.changed_at <= revision && revision <= of.revision;
}

}  // namespace

std::string make_etag(shown_state const& of)
{
    std::string out{"W/\""};
    out += of.epoch;
    out += '-';
    out += std::to_string(of.changed_at);
    out += '"';
    return out;
}

bool lists(std::string_view field, shown_state const& of) noexcept
{
    auto rest = trimmed(field);
    if (rest == "*") return true;
    while (!rest.empty()) {
        // A tag of another server may have a comma between its quotes. None of ours has, so splitting there loses no
        // match.
        auto const comma = rest.find(',');
        if (is_present(without_weakness(trimmed(rest.substr(0, comma))), of)) return true;
        if (comma == std::string_view::npos) break;
        rest.remove_prefix(comma + 1);
    }
    return false;
}

}  // namespace pgtally::server
