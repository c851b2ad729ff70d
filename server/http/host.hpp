#pragma once

// Which names a request may call the server by.
//
// Model: whoever owns a name can make it point to 127.0.0.1, and the browser then takes the pages of that name and a
// server on this machine for one site: it sends no Origin, or one that matches the Host (DNS rebinding). The name in
// `Host` stays the foreign one. An address bound to loopback therefore answers only requests that call it by an IP
// address, by `localhost`, or by a name of --allow-host. Other addresses take any name unless --allow-host is given.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pgtally::server {

// The canonical form of a host's name: lower case, without a trailing dot. Nothing if the text is not a name: it has a
// scheme, a port, or a character that no name has.
std::optional<std::string> canonical_host(std::string_view text);

// Whether it is the host of a request: a name, an IPv4 address, or an IPv6 address in brackets, with or without a port.
bool is_host(std::string_view text);

// Whether a request may call the server `host`, a name or an address with or without a port. It may if it names no host
// at all, as HTTP/1.0 allows: no browser does. `loopback`: the address is bound to loopback. `listed` are canonical.
bool host_allowed(std::string_view host, bool loopback, std::vector<std::string> const& listed);

}  // namespace pgtally::server
