#include <pgtally/server/base/text.hpp>
#include <pgtally/server/http/etag.hpp>

#include <charconv>
#include <optional>
#include <system_error>

namespace pgtally::server {

namespace {

std::string_view without_weakness(std::string_view tag) noexcept
{
    return tag.starts_with("W/") ? tag.substr(2) : tag;
}

// The revision in a tag of this epoch, given without its weakness.
std::optional<std::uint64_t> revision_of(std::string_view tag, std::string_view epoch) noexcept
{
    auto const frame = epoch.size() + 3;  // two quotes and a dash
    if (tag.size() <= frame || tag.front() != '"' || tag.back() != '"') return std::nullopt;
    tag = tag.substr(1, tag.size() - 2);
    if (!tag.starts_with(epoch) || tag[epoch.size()] != '-') return std::nullopt;
    auto const digits = tag.substr(epoch.size() + 1);
    std::uint64_t revision = 0;
    auto const* const last = digits.data() + digits.size();
    auto const [end, failure] = std::from_chars(digits.data(), last, revision);
    if (failure != std::errc{} || end != last) return std::nullopt;
    return revision;
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

bool lists(std::string_view field, std::string_view epoch, is_unchanged_since const& holds)
{
    auto rest = trimmed(field);
    if (rest == "*") return true;
    while (!rest.empty()) {
        // A tag of another server may have a comma between its quotes. None of ours has, so splitting there loses no
        // match.
        auto const revision = revision_of(without_weakness(trimmed(take_piece(rest, ','))), epoch);
        if (revision && holds(*revision)) return true;
    }
    return false;
}

bool lists_tag(std::string_view field, std::string_view tag)
{
    auto rest = trimmed(field);
    if (rest == "*") return true;
    while (!rest.empty()) {
        if (without_weakness(trimmed(take_piece(rest, ','))) == tag) return true;
    }
    return false;
}

}  // namespace pgtally::server
