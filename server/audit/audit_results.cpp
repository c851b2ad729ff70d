#include <pgtally/server/audit/audit_results.hpp>
#include <pgtally/server/base/audit_json.hpp>
#include <pgtally/server/base/json_text.hpp>

#include <algorithm>
#include <utility>

namespace pgtally::server {

namespace {

bool compared(tally_audit const& one) noexcept
{
    return one.report.outcome == audit_outcome::compared;
}

bool differs(tally_audit const& one) noexcept
{
    return compared(one) && one.report.differed != 0;
}

std::string counted(std::uint64_t number, std::string_view what)
{
    return std::to_string(number) + ' ' + std::string{what} + (number == 1 ? "" : "s");
}

}  // namespace

tally_audit no_audit(std::string tally, std::string why)
{
    tally_audit out;
    out.tally = std::move(tally);
    out.report.outcome = audit_outcome::failed;
    out.report.why = std::move(why);
    return out;
}

int exit_status(tally_audits const& all) noexcept
{
    if (std::ranges::any_of(all, differs)) return 1;
    return !all.empty() && std::ranges::all_of(all, compared) ? 0 : 3;
}

std::string text_of(tally_audits const& all)
{
    std::string out;
    for (auto const& [tally, found] : all) {
        if (found.outcome != audit_outcome::compared) continue;
        out += "tally " + tally + ": " + counted(found.keys, "key") + " compared, ";
        out += found.differed == 0 ? "none differs" : std::to_string(found.differed) + " different from the truth";
        out += '\n';
        for (auto const& one : found.drifted) out += "  " + describe(one, found.counters) + '\n';
        auto const not_listed = found.differed - found.drifted.size();
        if (not_listed != 0) out += "  and " + counted(not_listed, "more key") + '\n';
        for (auto const& reason : found.reasons) out += "  reason: " + reason + '\n';
    }
    return out;
}

std::string failures_of(tally_audits const& all)
{
    std::string out;
    for (auto const& one : all) {
        if (compared(one)) continue;
        out += "pgtally audit: " + (one.tally.empty() ? "" : "tally " + one.tally + ": ");
        out += "could not compare: " + one.report.why + '\n';
    }
    return out;
}

std::string json_of(tally_audits const& all)
{
    std::string out{R"({"ok":)"};
    out += exit_status(all) == 0 ? "true" : "false";
    out += R"(,"tallies":[)";
    for (auto const& one : all) {
        if (&one != &all.front()) out += ',';
        out += '{';
        if (!one.tally.empty()) {
            out += R"("tally":)";
            append_json(out, one.tally);
            out += ',';
        }
        if (compared(one)) {
            append_audit(out, one.report);
        } else {
            out += R"("error":)";
            append_json(out, one.report.why);
        }
        out += '}';
    }
    out += "]}\n";
    return out;
}

}  // namespace pgtally::server
