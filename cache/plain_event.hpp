#pragma once

// The events that triggers send for changed rows, as they write them.
//
// Model: nearly all payloads are one text with other names and numbers:
//
//     {"t":"likes","v":3,"x":"742","n":1,"at":1790000000000000,"d":[["33",1,0],["34",-1,1]]}
//
// in which "v" and "at" may be missing. The decoder compares it from left to right, and gives up at the first byte that is
// another one, at a number of more than 18 digits, and at a text that is not plain ASCII or has an escape. It costs a tenth of
// a parser's time.
//
// Guarantees: what it decodes, a parser of JSON decodes to the same event (event.hpp).
//
// Errors: only std::bad_alloc is thrown.

#include <string_view>

namespace pgtally::cache {

struct event;

// Decodes `payload` into `out`, which must be empty. Returns false if it is not such a text: it may be an event still, and the
// content of `out` is unspecified.
bool decode_plain(std::string_view payload, event& out);

}  // namespace pgtally::cache
