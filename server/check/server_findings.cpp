#include <pgtally/server/check/amounts.hpp>
#include <pgtally/server/check/server_findings.hpp>
#include <pgtally/server/check/thresholds.hpp>

#include <algorithm>
#include <utility>

namespace pgtally::server {

namespace {

using severity = finding::severity;

constexpr auto of_its_database = "pgtally check --dsn of its database names the remedy";

void add(examination& out, std::string_view check, std::string kind, severity how_bad, std::string message,
         std::string remedy)
{
    out.found.push_back({.check = check,
                         .how_bad = how_bad,
                         .kind = std::move(kind),
                         .message = std::move(message),
                         .remedy = std::move(remedy)});
}

void add(examination& out, tally_standing const& tally, std::string kind, severity how_bad, std::string message,
         std::string remedy)
{
    add(out, "tally", std::move(kind), how_bad, std::move(message), std::move(remedy));
    out.found.back().tally = tally.name;
    out.found.back().subject = tally.name;
}

// The reason of an admin address ends with the remedy, if there is one.
std::pair<std::string, std::string> split_reason(std::string const& reason, std::string otherwise)
{
    constexpr std::string_view mark = "; remedy: ";
    auto const at = reason.find(mark);
    if (at == std::string::npos) return {reason, std::move(otherwise)};
    return {reason.substr(0, at), reason.substr(at + mark.size())};
}

void judge_state(tally_standing const& tally, examination& out)
{
    std::string otherwise{of_its_database};
    if (tally.state == "stale") otherwise = "the server tries again by itself; if this stays, " + otherwise;
    if (tally.state == "loading")
        otherwise = "wait for its load; if it does not end, look at pg_stat_activity for what it waits";
    auto const [reason, remedy] = split_reason(tally.reason, std::move(otherwise));
    auto const message = "its state is " + tally.state + (reason.empty() ? "" : ": " + reason);
    // Each server loads when it starts.
    bool const starts = tally.state == "loading" && reason.empty();
    if (tally.state == "live") return;
    add(out, tally, tally.state, starts ? severity::warning : severity::error, message, remedy);
}

// Totals of a tally as the alerts see them: so many in the time that the server runs, of which the alert's window is part.
double in_window(double total, double runs, double window)
{
    return runs > window ? total * window / runs : total;
}

void judge_audits(samples const& from, tally_standing const& tally, double runs, examination& out)
{
    auto const audits = [&](std::string_view result) {
        return from.of_tally("pgtally_audits_total", tally.name, {"result", result}).value_or(0);
    };
    if (in_window(audits("failed"), runs, 3600) > thresholds::failed_audits.limit &&
        audits("equal") + audits("drift") == 0) {
        add(out, tally, "audits_fail", severity::warning,
            count_text(audits("failed")) + " audits could not compare it with the truth, and none could",
            "the log of the server says why: mostly a lock on its source, or a tally that is not live");
    }
    auto const drift = from.of_tally("pgtally_drift_keys_total", tally.name).value_or(0);
    if (drift > thresholds::drift_keys.limit) {
        add(out, tally, "drift", severity::warning,
            count_text(drift) + (drift == 1 ? " key" : " keys") +
                " differed from the truth since the start of the server, while it was live",
            "call tally.reload in the transactions that go around triggers; the log lists the reasons. "
            "pgtally audit --url says whether keys differ now");
    }
}

void judge_table(samples const& from, tally_standing const& tally, double runs, examination& out)
{
    auto const failures = from.of_tally("pgtally_materialize_failures_total", tally.name).value_or(0);
    if (in_window(failures, runs, 900) > thresholds::table_failures.limit) {
        add(out, tally, "table_fails", severity::warning,
            "its table could not be written " + count_text(failures) + " times since the start of the server",
            "the log of the server has PostgreSQL's message: rights, locks, or a trigger of yours");
    }
    auto const refused = from.of_tally("pgtally_materialize_refused_total", tally.name).value_or(0);
    if (refused > thresholds::rows_refused.limit) {
        add(out, tally, "rows_refused", severity::warning,
            "a constraint of its table refused " + count_text(refused) + " rows since the start of the server",
            "the log of the server names the first row, and the constraint");
    }
    if (from.of_tally("pgtally_materialize_writer", tally.name) == 0.0) {
        add(out, tally, "nobody_writes", severity::note, "this server does not write its table",
            "none if another server writes it; else look for the holder: select * from pg_locks where locktype = "
            "'advisory'");
    }
}

std::string facts_of(server_reading const& of, tally_standing const& tally)
{
    auto out = tally.state;
    if (!of.metrics) return out;
    if (auto const keys = of.metrics->of_tally("pgtally_keys", tally.name)) out += ", " + count_text(*keys) + " keys";
    auto const audited = of.metrics->of_tally("pgtally_last_audit_timestamp_seconds", tally.name).value_or(0);
    if (audited > 0) out += ", compared with the truth " + span_text(std::max(0.0, of.now - audited)) + " ago";
    else out += ", not compared with the truth since the start";
    if (auto const pending = of.metrics->of_tally("pgtally_materialize_pending_keys", tally.name))
        out += ", " + count_text(*pending) + " keys wait for its table";
    return out;
}

}  // namespace

std::optional<double> uptime(server_reading const& of)
{
    auto const started = of.metrics ? of.metrics->sum("process_start_time_seconds") : std::nullopt;
    if (!started || *started <= 0) return std::nullopt;
    return std::max(0.0, of.now - *started);
}

void judge_service(server_reading const& of, examination& out)
{
    bool const all_live = std::ranges::all_of(of.tallies, [](auto const& each) { return each.state == "live"; });
    std::string seen = of.ready == 200 ? "ready" : "not every tally is live";
    if (of.metrics) {
        auto const release = of.metrics->label_of("pgtally_build_info", "version");
        seen = "pgtally " + release + ", " + seen;
        auto const host = of.metrics->label_of("pgtally_database_info", "host");
        if (!host.empty()) seen += ", database at " + host;
        if (auto const runs = uptime(of)) seen += ", runs for " + span_text(*runs);
        if (release != of.program) {
            add(out, "service", "other_version", severity::note,
                "the server is pgtally " + release + ", this program is " + of.program,
                "none if it is as you want it; else restart the server with the newer program");
        }
    } else if (!of.admin) {
        add(out, "service", "public_address", severity::warning, "this address does not answer GET /metrics",
            "use the server's admin address: that of its option --admin-listen, by default http://127.0.0.1:8081");
    }
    out.saw("service", std::move(seen), of.metrics ? all_aspects : 2);
    // Of tallies that are not live each has a finding.
    if (of.ready != 200 && all_live) {
        add(out, "service", "not_ready", severity::warning,
            "GET /readyz?live is answered by " + std::to_string(of.ready) + " although no tally says why",
            "if the server is about to end, none; else look at its log");
    }
}

void judge_tallies(server_reading const& of, examination& out)
{
    for (auto const& tally : of.tallies) {
        out.saw_tally(tally.name, facts_of(of, tally), of.metrics ? all_aspects : 1);
        judge_state(tally, out);
        if (!of.metrics) continue;
        auto const runs = uptime(of).value_or(0);
        auto const problems = of.metrics->of_tally("pgtally_problems", tally.name).value_or(0);
        if (problems > thresholds::problems.limit) {
            add(out, tally, "problems", severity::warning,
                "the database reports " + count_text(problems) + (problems == 1 ? " problem" : " problems"),
                of_its_database);
        }
        judge_audits(*of.metrics, tally, runs, out);
        judge_table(*of.metrics, tally, runs, out);
    }
    if (of.tallies.empty()) out.skipped("tally", "the server has no tally");
}

}  // namespace pgtally::server
