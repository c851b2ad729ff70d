#pragma once

// What answers say to browsers about pages of other origins (CORS), and to caches.
//
// Credentials (cookies, a proxy's passwords) may be sent by pages that --allow-origin names, by themselves or by a
// pattern. Pages that are allowed because everybody is, or because they are `null`, are not known: with credentials they
// could read what only the visitor may.

#include <pgtally/server/http/request.hpp>
#include <pgtally/server/http/response.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace pgtally::server {

// OPTIONS: the methods of an address, for preflight requests too. `headers` may be sent beside those that all may send.
response options_answer(request const& asked, std::string_view allowed, std::vector<std::string> const& headers);

// Makes an answer that depends on who asks one that no cache keeps. To be called before `add_common_fields`.
void keep_from_caches(response& to);

// The fields that all answers have. `for_everybody`: pages of every origin may read it. `origins`: see origin.hpp.
void add_common_fields(response& to, request const& asked, bool for_everybody, std::vector<std::string> const& origins);

}  // namespace pgtally::server
