#pragma once

#include <pgtally/server/check/finding.hpp>

#include <string_view>

namespace pgtally::server {

// What a finding of this kind means for who reads the counters, or writes the source. Empty for a kind that this version
// does not know: the schema may be newer.
std::string_view meaning_of(finding const& one) noexcept;

}  // namespace pgtally::server
