#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace pgtally::server {

// The bytes of a text in base64url (RFC 4648, 5) without padding. Nothing if it is not the one text that encodes its bytes:
// another alphabet, padding, spaces, bits left over.
std::optional<std::string> base64url_decoded(std::string_view text);

}  // namespace pgtally::server
