#pragma once

#include <pgtally/cache/replica/audit.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace pgtally::server {

// Appends "keys":3,"differed":1,"drift":[{"key":"33","served":{"rts":5},"truth":{"rts":2}}],"reasons":["…"]
void append_audit(std::string& out, audit_report const& found);

// Reads such members from a JSON object. Nothing if the text is not such an object.
std::optional<audit_report> parse_audit(std::string_view json);

}  // namespace pgtally::server
