#pragma once

// Whose request it is: the token that it presents, in `Authorization: Bearer` or in a cookie, never in its target.
//
// Model: a wrong token in `Authorization` is 401, whatever is asked for. A wrong one in a cookie counts for nothing: a browser
// sends it long after the login ended, for public tallies too. A cookie counts only if the page is known to belong to the
// server: it has the server's own origin, or --allow-origin names it. Else any page could read by the visitor's cookie, over a
// WebSocket at least, for which browsers have no CORS. What is not GET or HEAD needs such an `Origin`; without one it is 403.
//
// No socket, no clock: pure.

#include <pgtally/server/auth/authority.hpp>
#include <pgtally/server/http/request.hpp>
#include <pgtally/server/http/response.hpp>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pgtally::server {

// Finds out what the client may, into `asked.by`. Returns the refusal of a request with a wrong token.
//
// Preconditions: the request's `Origin`, if it has one, is allowed. `origins` are those of --allow-origin.
std::optional<response> admit(request& asked, authority const& by, std::vector<std::string> const& origins,
                              std::chrono::sys_seconds now);

// The value of a cookie; nothing if the fields have none of this name, or several.
std::optional<std::string_view> cookie_value(std::string_view cookies, std::string_view name);

// The answer to a client that may not have what it asks for: 401, 403 or 404. Status 200 for `allowed`.
response refusal_of(access what, permit const& by);

// 401 with its challenge (RFC 6750, 3).
response challenge(std::optional<token_fault> fault);

}  // namespace pgtally::server
