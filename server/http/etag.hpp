#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace pgtally::server {

// `W/"<epoch>-<revision>"`: whoever has the tag, has what it is of as of that revision.
std::string make_etag(std::string_view epoch, std::uint64_t revision);

// Whether what is shown now is what it was at a revision of the epoch, which another server may have named.
using is_unchanged_since = std::function<bool(std::uint64_t revision)>;

// Whether a field If-Match or If-None-Match lists a tag of what is shown now, or `*`. All tags here are weak, so that both
// fields compare weakly (RFC 9110, 8.8.3.2).
bool lists(std::string_view field, std::string_view epoch, is_unchanged_since const& holds);

// Whether a field If-None-Match lists this very tag, `"abc"`, or `*`.
bool lists_tag(std::string_view field, std::string_view tag);

}  // namespace pgtally::server
