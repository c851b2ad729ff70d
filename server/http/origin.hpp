#pragma once

// Which web pages may use the server.
//
// Model: a browser names the page that a request comes from in `Origin`; other programs send none. A page is allowed if
// it is from the host and port that the request's `Host` names (the page and the counters are one site), if both are
// loopback (a developer's machine), or if --allow-origin lists it. Every other page is refused, whatever the method: a
// foreign page must neither read the counters of an internal network nor run an action.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pgtally::server {

// The canonical form of an origin, `scheme://host[:port]`: lower case, without a port that the scheme implies. Nothing
// if the text is not an origin: it has a path or a user, or no scheme.
std::optional<std::string> canonical_origin(std::string_view text);

// What --allow-origin may list, in one spelling: an origin; `https://*.example.org`, the origins of all names below
// example.org, but not of example.org itself; `null`, a page without an origin, such as a file or a sandboxed frame; or `*`.
std::optional<std::string> canonical_origin_rule(std::string_view text);

// Whether `listed`, which are canonical, has `origin` by name or by a pattern: not by `*`, and not as `null`.
bool origin_named(std::string_view origin, std::vector<std::string> const& listed);

// Whether `origin` may use the server that the request calls `host`.
bool origin_allowed(std::string_view origin, std::string_view host, std::vector<std::string> const& listed);

}  // namespace pgtally::server
