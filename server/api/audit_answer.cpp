#include <pgtally/server/api/audit_answer.hpp>
#include <pgtally/server/base/audit_json.hpp>

namespace pgtally::server {

response audit_answer(audit_report const& found)
{
    switch (found.outcome) {
        case audit_outcome::compared: break;
        case audit_outcome::running: return problem(409, "audit_running", found.why);
        case audit_outcome::unknown: return problem(404, "unknown_tally", found.why);
        case audit_outcome::not_live: return problem(503, "not_live", found.why);
        case audit_outcome::lost:
        case audit_outcome::changed: return problem(503, "audit_interrupted", found.why);
        case audit_outcome::failed: return problem(503, "audit_failed", found.why);
        case audit_outcome::late: return problem(503, "timeout", found.why);
        case audit_outcome::stopped: return problem(503, "draining", found.why);
    }
    response out;
    out.body = '{';
    append_audit(out.body, found);
    out.body += '}';
    return out;
}

}  // namespace pgtally::server
