#include <pgtally/cache/position.hpp>

#include <pgtally/cache/tally.hpp>

#include <charconv>
#include <system_error>

namespace pgtally::cache {

namespace {

constexpr std::size_t uuid_size = 36;

bool is_uuid(std::string_view text) noexcept
{
    if (text.size() != uuid_size) return false;
    for (std::size_t i = 0; i < uuid_size; ++i) {
        bool const dash = i == 8 || i == 13 || i == 18 || i == 23;
        char const c = text[i];
        bool const digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
        if (dash ? c != '-' : !digit) return false;
    }
    return true;
}

}  // namespace

arrival arrival_at(tally const& of, since_point const& at, bool at_last) noexcept
{
    bool const live = of.state() == state::live;
    if ((live || (at_last && of.has_counters())) && of.epoch() != at.epoch) return arrival::other_epoch;
    return live && of.revision() >= at.revision ? arrival::reached : arrival::not_yet;
}

std::string to_text(since_point const& at)
{
    return at.epoch + '-' + std::to_string(at.revision);
}

std::optional<since_point> parse_position(std::string_view text)
{
    if (text.size() < uuid_size + 2 || text[uuid_size] != '-' || !is_uuid(text.substr(0, uuid_size)))
        return std::nullopt;
    auto const digits = text.substr(uuid_size + 1);
    if (digits.size() > 1 && digits.front() == '0') return std::nullopt;
    since_point out{std::string{text.substr(0, uuid_size)}, 0};
    auto const* const last = digits.data() + digits.size();
    auto const [end, failure] = std::from_chars(digits.data(), last, out.revision);
    if (failure != std::errc{} || end != last) return std::nullopt;
    return out;
}

}  // namespace pgtally::cache
