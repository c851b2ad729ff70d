#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace pgtally::server {

// `W/"<epoch>-<revision>"`.
std::string make_etag(std::string_view epoch, std::uint64_t revision);

// Whether a field If-None-Match names `etag`: in its list, weakly compared (RFC 9110, 13.1.2), or by `*`.
bool etag_matches(std::string_view if_none_match, std::string_view etag) noexcept;

}  // namespace pgtally::server
