#include <pgtally/server/base/counters_json.hpp>
#include <pgtally/server/base/json_text.hpp>
#include <pgtally/server/push/push_json.hpp>

namespace pgtally::server {

void append_snapshot(std::string& out, push const& what)
{
    append_standing(out, what.epoch, what.update->revision, what.state, what.reason);
    if (what.update->partial) out += R"(,"partial":true)";
    if (what.update->more) out += R"(,"more":true)";
    out += ',';
    append_values(out, *what.update, *what.from);
}

void append_refusal(std::string& out, refusal const& why)
{
    out += R"("code":)";
    append_json(out, why.code);
    out += R"(,"message":)";
    append_json(out, why.message);
    if (!why.key) return;
    out += R"(,"key":)";
    append_json(out, *why.key);
}

}  // namespace pgtally::server
