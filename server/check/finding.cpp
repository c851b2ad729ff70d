#include <pgtally/server/base/json_text.hpp>
#include <pgtally/server/check/finding.hpp>

#include <algorithm>

namespace pgtally::server {

namespace {

std::string_view word_of(finding::severity how_bad) noexcept
{
    switch (how_bad) {
        case finding::severity::error: return "error";
        case finding::severity::warning: return "warning";
        case finding::severity::note: return "note";
    }
    return "error";
}

}  // namespace

bool all_good(std::vector<finding> const& all) noexcept
{
    return std::ranges::all_of(all, [](auto const& one) { return one.how_bad == finding::severity::note; });
}

std::string text_of(std::vector<finding> const& all)
{
    std::string out;
    if (all_good(all)) out = "nothing found that keeps counters from being exact or live\n";
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
    out += all_good(all) ? "true" : "false";
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
