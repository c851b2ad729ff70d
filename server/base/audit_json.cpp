#include <pgtally/server/base/audit_json.hpp>
#include <pgtally/server/base/counters_json.hpp>
#include <pgtally/server/base/json_text.hpp>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include <exception>

namespace pgtally::server {

namespace {

namespace json = boost::json;

void append_drift(std::string& out, cache::drift const& one, std::vector<std::string> const& counters)
{
    out += R"({"key":)";
    append_json(out, one.key);
    out += R"(,"served":)";
    append_counters(out, counters, one.served);
    out += R"(,"truth":)";
    append_counters(out, counters, one.truth);
    out += '}';
}

std::string text_of(json::value const& from)
{
    auto const& text = from.as_string();
    return {text.data(), text.size()};
}

std::vector<std::int64_t> counters_of(json::value const& from)
{
    std::vector<std::int64_t> out;
    for (auto const& [name, value] : from.as_object()) out.push_back(value.to_number<std::int64_t>());
    return out;
}

}  // namespace

void append_audit(std::string& out, audit_report const& found)
{
    out += R"("keys":)";
    append_json(out, found.keys);
    out += R"(,"differed":)";
    append_json(out, found.differed);
    out += R"(,"drift":[)";
    for (auto const& one : found.drifted) {
        if (&one != &found.drifted.front()) out += ',';
        append_drift(out, one, found.counters);
    }
    out += R"(],"reasons":[)";
    for (auto const& reason : found.reasons) {
        if (&reason != &found.reasons.front()) out += ',';
        append_json(out, reason);
    }
    out += ']';
}

std::optional<audit_report> parse_audit(std::string_view text)
{
    audit_report out;
    try {
        auto const all = json::parse(json::string_view{text.data(), text.size()});
        out.keys = all.at("keys").to_number<std::uint64_t>();
        out.differed = all.at("differed").to_number<std::uint64_t>();
        for (auto const& each : all.at("drift").as_array()) {
            if (out.counters.empty()) {
                for (auto const& [name, value] : each.at("truth").as_object()) out.counters.emplace_back(name);
            }
            auto& one = out.drifted.emplace_back();
            one.key = text_of(each.at("key"));
            one.served = counters_of(each.at("served"));
            one.truth = counters_of(each.at("truth"));
        }
        for (auto const& reason : all.at("reasons").as_array()) out.reasons.push_back(text_of(reason));
    } catch (std::exception const&) {
        return std::nullopt;
    }
    out.outcome = audit_outcome::compared;
    return out;
}

}  // namespace pgtally::server
