#include <pgtally/server/base/json_text.hpp>
#include <pgtally/server/check/finding.hpp>

#include <algorithm>

namespace pgtally::server {

namespace {

// Appends `,"name":"text"`.
void append_member(std::string& out, std::string_view name, std::string_view text)
{
    out += ',';
    append_json(out, name);
    out += ':';
    append_json(out, text);
}

std::string_view kind_of(finding const& one) noexcept
{
    return one.kind.empty() ? one.check : std::string_view{one.kind};
}

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

bool all_good(findings const& all) noexcept
{
    return std::ranges::all_of(all, [](auto const& one) { return one.how_bad == finding::severity::note; });
}

std::string text_of(findings const& all)
{
    std::string out;
    if (all_good(all)) out = "nothing found that keeps counters from being exact or live\n";
    for (auto const& one : all) {
        out += word_of(one.how_bad);
        out += ": ";
        out += kind_of(one);
        if (!one.tally.empty()) out += ": tally " + one.tally;
        out += ": " + one.message + "\n  remedy: " + one.remedy + '\n';
    }
    return out;
}

std::string json_of(findings const& all)
{
    std::string out{R"({"ok":)"};
    out += all_good(all) ? "true" : "false";
    out += R"(,"findings":[)";
    for (auto const& one : all) {
        if (&one != &all.front()) out += ',';
        out += R"({"check":)";
        append_json(out, one.check);
        append_member(out, "kind", kind_of(one));
        append_member(out, "severity", word_of(one.how_bad));
        if (!one.tally.empty()) append_member(out, "tally", one.tally);
        append_member(out, "subject", one.subject);
        append_member(out, "message", one.message);
        append_member(out, "remedy", one.remedy);
        out += '}';
    }
    out += "]}\n";
    return out;
}

}  // namespace pgtally::server
