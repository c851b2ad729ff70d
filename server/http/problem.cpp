#include <pgtally/server/base/json_text.hpp>
#include <pgtally/server/base/limits.hpp>
#include <pgtally/server/http/problem.hpp>

namespace pgtally::server {

response problem(unsigned status, std::string_view code, std::string_view detail)
{
    response out{.status = status, .content_type = "application/problem+json"};
    out.body = R"({"type":"about:blank","title":)";
    append_json(out.body, reason_phrase(status));
    out.body += R"(,"status":)";
    append_json(out.body, std::uint64_t{status});
    out.body += R"(,"code":)";
    append_json(out.body, code);
    out.body += R"(,"detail":)";
    append_json(out.body, detail);
    out.body += '}';
    if (status == 503 || status == 429)
        out.fields.emplace_back("Retry-After", std::to_string(limits{}.retry_after.count()));
    return out;
}

}  // namespace pgtally::server
