#pragma once

#include <string>

namespace pgtally::cache {

// A new random UUID (RFC 9562, version 4) in its text form.
std::string make_uuid();

}  // namespace pgtally::cache
