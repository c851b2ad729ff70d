#include <pgtally/server/base/ip_network.hpp>
#include <pgtally/server/base/whole_number.hpp>

#include <algorithm>

#include <arpa/inet.h>

namespace pgtally::server {

namespace {

constexpr std::array<std::uint8_t, 12> mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

}  // namespace

bool ip_address::is_v4() const noexcept
{
    return std::equal(mapped.begin(), mapped.end(), bytes.begin());
}

ip_address v4_address(std::array<std::uint8_t, 4> const& bytes) noexcept
{
    ip_address out;
    std::copy(mapped.begin(), mapped.end(), out.bytes.begin());
    std::copy(bytes.begin(), bytes.end(), out.bytes.begin() + mapped.size());
    return out;
}

std::optional<ip_address> parse_ip_address(std::string_view text)
{
    if (text.size() >= INET6_ADDRSTRLEN || text.find('\0') != std::string_view::npos) return std::nullopt;
    std::string const terminated{text};
    std::array<std::uint8_t, 4> four{};
    if (::inet_pton(AF_INET, terminated.c_str(), four.data()) == 1) return v4_address(four);
    ip_address out;
    if (::inet_pton(AF_INET6, terminated.c_str(), out.bytes.data()) == 1) return out;
    return std::nullopt;
}

std::string to_string(ip_address const& address)
{
    if (address.is_unix) return "unix";
    char text[INET6_ADDRSTRLEN];
    bool const v4 = address.is_v4();
    ::inet_ntop(v4 ? AF_INET : AF_INET6, address.bytes.data() + (v4 ? mapped.size() : 0), text, sizeof text);
    return text;
}

bool ip_network::contains(ip_address const& address) const noexcept
{
    return network_of(address, bits) == *this;
}

ip_network network_of(ip_address const& address, unsigned bits) noexcept
{
    ip_network out{address, bits};
    for (unsigned i = 0; i < out.first.bytes.size(); ++i) {
        auto const kept = std::clamp(static_cast<int>(bits) - static_cast<int>(8 * i), 0, 8);
        out.first.bytes[i] &= static_cast<std::uint8_t>(0xff00 >> kept);
    }
    return out;
}

std::optional<ip_network> parse_ip_network(std::string_view text)
{
    if (text == "unix") return ip_network{ip_address{.is_unix = true}, 128};
    auto const slash = text.find('/');
    auto const address = parse_ip_address(text.substr(0, slash));
    if (!address) return std::nullopt;
    // An IPv4 address that is written as IPv6 has the bits of IPv6.
    bool const v4 = text.substr(0, slash).find(':') == std::string_view::npos;
    unsigned bits = 128;
    if (slash != std::string_view::npos) {
        auto const written = whole_number(text.substr(slash + 1), 0U, v4 ? 32U : 128U);
        if (!written) return std::nullopt;
        bits = *written + (v4 ? 96 : 0);
    }
    auto const out = network_of(*address, bits);
    if (out.first != *address) return std::nullopt;
    return out;
}

}  // namespace pgtally::server
