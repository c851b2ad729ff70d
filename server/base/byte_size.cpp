#include <pgtally/server/base/byte_size.hpp>

#include <charconv>
#include <limits>
#include <system_error>

namespace pgtally::server {

std::optional<std::uint64_t> parse_byte_size(std::string_view text) noexcept
{
    std::uint64_t count = 0;
    auto const [end, failure] = std::from_chars(text.data(), text.data() + text.size(), count);
    if (failure != std::errc{}) return std::nullopt;

    auto const unit = text.substr(static_cast<std::size_t>(end - text.data()));
    std::uint64_t bytes = 0;
    if (unit.empty()) bytes = 1;
    if (unit == "KiB") bytes = std::uint64_t{1} << 10;
    if (unit == "MiB") bytes = std::uint64_t{1} << 20;
    if (unit == "GiB") bytes = std::uint64_t{1} << 30;
    constexpr std::uint64_t most = std::numeric_limits<std::int64_t>::max();
    if (bytes == 0 || count > most / bytes) return std::nullopt;
    return count * bytes;
}

}  // namespace pgtally::server
