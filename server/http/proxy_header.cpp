#include <pgtally/server/base/whole_number.hpp>
#include <pgtally/server/http/proxy_header.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

namespace pgtally::server {

namespace {

using state = proxy_header::state;

constexpr std::string_view text_begins = "PROXY ";
constexpr std::size_t max_text_bytes = 107;
constexpr std::string_view binary_begins{"\r\n\r\n\0\r\nQUIT\n", 12};
constexpr std::size_t binary_fixed_bytes = 16;

proxy_header refused()
{
    return {.found = state::refused};
}

// Whether the bytes begin with `with`, or are too few to know.
bool may_begin(std::string_view bytes, std::string_view with) noexcept
{
    auto const size = std::min(bytes.size(), with.size());
    return bytes.substr(0, size) == with.substr(0, size);
}

bool is_port(std::string_view text) noexcept
{
    return whole_number(text, 0U, 65'535U).has_value();
}

// `PROXY TCP4 192.0.2.1 198.51.100.1 56324 443`, or `PROXY UNKNOWN` and anything.
proxy_header read_text(std::string_view bytes)
{
    auto const end = bytes.find("\r\n");
    if (end == std::string_view::npos) return bytes.size() < max_text_bytes ? proxy_header{} : refused();
    if (end + 2 > max_text_bytes) return refused();
    proxy_header out{.found = state::complete, .size = end + 2};
    std::vector<std::string_view> words;
    for (auto rest = bytes.substr(0, end);;) {
        auto const space = rest.find(' ');
        words.push_back(rest.substr(0, space));
        if (space == std::string_view::npos) break;
        rest.remove_prefix(space + 1);
    }
    if (words[1] == "UNKNOWN") return out;
    if (words.size() != 6 || (words[1] != "TCP4" && words[1] != "TCP6")) return refused();
    out.client = parse_ip_address(words[2]);
    bool const good = out.client && parse_ip_address(words[3]) && is_port(words[4]) && is_port(words[5]);
    return good ? out : refused();
}

std::uint8_t byte_at(std::string_view bytes, std::size_t at) noexcept
{
    return static_cast<std::uint8_t>(bytes[at]);
}

template <std::size_t Size>
std::array<std::uint8_t, Size> bytes_at(std::string_view bytes, std::size_t at) noexcept
{
    std::array<std::uint8_t, Size> out{};
    for (std::size_t i = 0; i < Size; ++i) out[i] = byte_at(bytes, at + i);
    return out;
}

proxy_header read_binary(std::string_view bytes)
{
    if (bytes.size() < binary_fixed_bytes) return {};
    auto const version_and_command = byte_at(bytes, 12), family = byte_at(bytes, 13);
    std::size_t const rest = byte_at(bytes, 14) * 256U + byte_at(bytes, 15);
    auto const command = version_and_command & 0x0f;
    if (version_and_command >> 4 != 2 || command > 1) return refused();
    proxy_header out{.found = state::complete, .size = binary_fixed_bytes + rest};
    if (out.size > max_proxy_header_bytes) return refused();
    if (bytes.size() < out.size) return {};
    if (command == 0) return out;  // LOCAL: a health check of the proxy itself
    if (family == 0x11) {          // TCP over IPv4
        if (rest < 12) return refused();
        out.client = v4_address(bytes_at<4>(bytes, binary_fixed_bytes));
    } else if (family == 0x21) {  // TCP over IPv6
        if (rest < 36) return refused();
        out.client = ip_address{bytes_at<16>(bytes, binary_fixed_bytes)};
    }
    return out;
}

}  // namespace

proxy_header read_proxy_header(std::string_view bytes)
{
    if (may_begin(bytes, text_begins)) return bytes.size() < text_begins.size() ? proxy_header{} : read_text(bytes);
    if (may_begin(bytes, binary_begins))
        return bytes.size() < binary_begins.size() ? proxy_header{} : read_binary(bytes);
    return {.found = state::absent};
}

}  // namespace pgtally::server
