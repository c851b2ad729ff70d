#include <pgtally/server/base/json_text.hpp>
#include <pgtally/server/check/letter.hpp>
#include <pgtally/server/check/meanings.hpp>

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

void append(std::string& out, finding const& one, bool with_meaning)
{
    out += R"({"check":)";
    append_json(out, one.check);
    append_member(out, "kind", kind_of(one));
    append_member(out, "severity", word_of(one.how_bad));
    if (!one.tally.empty()) append_member(out, "tally", one.tally);
    append_member(out, "subject", one.subject);
    append_member(out, "message", one.message);
    if (with_meaning) append_member(out, "means", meaning_of(one));
    append_member(out, "remedy", one.remedy);
    out += '}';
}

void append(std::string& out, letter_group const& group)
{
    append_member(out, "group", group.what.group);
    if (!group.what.tally.empty()) append_member(out, "tally", group.what.tally);
    if (!group.what.skipped.empty()) append_member(out, "skipped", group.what.skipped);
    if (!group.what.seen.empty()) append_member(out, "seen", group.what.seen);
    out += R"(,"looked_at":[)";
    for (auto const& each : group.aspects) {
        if (&each != &group.aspects.front()) out += ',';
        append_json(out, each);
    }
    out += R"(],"passed":)" + std::to_string(group.passed) + R"(,"findings":[)";
    for (auto const* const& each : group.found) {
        if (&each != &group.found.front()) out += ',';
        append(out, *each, true);
    }
    out += "]}";
}

void append(std::string& out, letter_counts const& of)
{
    out += R"({"faults":)" + std::to_string(of.faults) + R"(,"warnings":)" + std::to_string(of.warnings) +
           R"(,"notes":)" + std::to_string(of.notes) + R"(,"passed":)" + std::to_string(of.passed) + R"(,"skipped":)" +
           std::to_string(of.skipped) + '}';
}

}  // namespace

std::string json_of(examinations const& all)
{
    std::string out{R"({"ok":)"};
    out += all_good(all) ? "true" : "false";
    out += R"(,"findings":[)";
    for (auto const& each : all) {
        for (auto const& one : each.found) {
            if (!out.ends_with('[')) out += ',';
            append(out, one, false);
        }
    }
    out += R"(],"groups":[)";
    for (auto const& each : all) {
        for (auto const& group : groups_of(each)) {
            if (!out.ends_with('[')) out += ',';
            out += R"({"about":)";
            append_json(out, each.of == examination::subject::server ? "server" : "database");
            append(out, group);
        }
    }
    out += R"(],"summary":)";
    append(out, count(all));
    out += "}\n";
    return out;
}

}  // namespace pgtally::server
