#pragma once

// Who a request behind proxies is from.
//
// Model: each proxy appends the address that it was called from to `X-Forwarded-For`, or to `Forwarded` (RFC 7239). What a
// proxy wrote counts only if the proxy is trusted, so the lists are read from their end: the client is the last address
// that is not a trusted proxy's. What is before it anybody may have written.
//
// If there is an X-Forwarded-For, Forwarded is not looked at: a proxy that writes one of them passes the other one on as
// the client sent it.

#include <pgtally/server/base/ip_network.hpp>

#include <cstddef>
#include <string_view>
#include <vector>

namespace pgtally::server {

// The most addresses that are looked at, from the end.
inline constexpr std::size_t max_forwarded_hops = 32;

bool is_trusted(std::vector<ip_network> const& trusted, ip_address const& address) noexcept;

// The client of a request that came from `peer`: `peer` itself, unless it is trusted. The fields are lists: all lines of a
// name, joined by commas. Where an address is missing or not one (`unknown`), the client is the proxy that wrote that.
ip_address client_of(ip_address const& peer, std::string_view x_forwarded_for, std::string_view forwarded,
                     std::vector<ip_network> const& trusted);

}  // namespace pgtally::server
