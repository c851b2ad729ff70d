#pragma once

#include <pgtally/cache/replica/audit.hpp>
#include <pgtally/server/http/response.hpp>

namespace pgtally::server {

// The answer to POST …/audit.
response audit_answer(audit_report const& found);

}  // namespace pgtally::server
