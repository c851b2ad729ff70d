#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pgtally::server {

// An address of IPv4 or IPv6. One of IPv4 is kept as IPv6 maps it (::ffff:192.0.2.1), so that both spellings are one
// address. A client of a Unix socket has none.
struct ip_address {
    std::array<std::uint8_t, 16> bytes{};
    bool is_unix = false;  // no address

    bool is_v4() const noexcept;
    friend auto operator<=>(ip_address const&, ip_address const&) = default;
};

ip_address v4_address(std::array<std::uint8_t, 4> const& bytes) noexcept;

// Parses `192.0.2.1` or `2001:db8::1`. Nothing if the text is not one, or has brackets, a port or a zone.
std::optional<ip_address> parse_ip_address(std::string_view text);

// The text that parse_ip_address() accepts; "unix" of a client of a Unix socket.
std::string to_string(ip_address const& address);

// All addresses that begin with the same bits.
struct ip_network {
    ip_address first;   // the bits after `bits` are 0
    unsigned bits = 0;  // of the 128 of `first`

    bool contains(ip_address const& address) const noexcept;
    friend bool operator==(ip_network const&, ip_network const&) = default;
};

// Parses `10.0.0.0/8`, `2001:db8::/32`, one address, or `unix`: all clients of Unix sockets. Nothing if the text is not one, or has bits after the first ones.
std::optional<ip_network> parse_ip_network(std::string_view text);

// The network of so many bits that has the address.
ip_network network_of(ip_address const& address, unsigned bits) noexcept;

}  // namespace pgtally::server
