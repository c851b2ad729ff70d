#include <pgtally/server/base/counters_json.hpp>
#include <pgtally/server/push/push_json.hpp>

namespace pgtally::server {

void append_snapshot(std::string& out, push const& what)
{
    append_standing(out, what.epoch, what.update->revision, what.state, what.reason);
    if (what.update->partial) out += R"(,"partial":true)";
    if (what.update->more) out += R"(,"more":true)";
    out += ',';
    append_keys(out, *what.update, *what.from);
}

std::shared_ptr<std::string const> change_text(push const& what, shared_changes& shared)
{
    if (what.update->of_all_keys) return shared.text_of(*what.update, *what.from);
    return encode_change(*what.update, *what.from);
}

}  // namespace pgtally::server
