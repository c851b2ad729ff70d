#include <pgtally/server/finding.hpp>
#include <pgtally/server/json_text.hpp>

namespace pgtally::server {

namespace {

std::string_view word_of(finding::severity how_bad) noexcept
{
    return how_bad == finding::severity::error ? "error" : "warning";
}

}  // namespace

std::string text_of(std::vector<finding> const& all)
{
    if (all.empty()) return "nothing found that would keep counters from being exact or live\n";
    std::string out;
    for (auto const& one : all) {
        out += word_of(one.how_bad);
        out += ": ";
        out += one.check;
        if (!one.tally.empty()) out += ": tally " + one.tally;
        out += ": " + one.message + "\n  remedy: " + one.remedy + '\n';
    }
    return out;
}

std::string json_of(std::vector<finding> const& all)
{
    std::string out{R"({"ok":)"};
    out += all.empty() ? "true" : "false";
    out += R"(,"findings":[)";
    for (auto const& one : all) {
        if (&one != &all.front()) out += ',';
        out += R"({"check":)";
        append_json(out, one.check);
        out += R"(,"severity":)";
        append_json(out, word_of(one.how_bad));
        if (!one.tally.empty()) {
            out += R"(,"tally":)";
            append_json(out, one.tally);
        }
        out += R"(,"message":)";
        append_json(out, one.message);
        out += R"(,"remedy":)";
        append_json(out, one.remedy);
        out += '}';
    }
    out += "]}\n";
    return out;
}

}  // namespace pgtally::server
