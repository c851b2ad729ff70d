// What a server receives and uses: events, the queue, WAL, clients, descriptors.

#include <pgtally/server/check/amounts.hpp>
#include <pgtally/server/check/server_findings.hpp>
#include <pgtally/server/check/thresholds.hpp>

#include <algorithm>
#include <array>
#include <utility>

namespace pgtally::server {

namespace {

using severity = finding::severity;

// Younger servers have averages of little meaning: they answered 503 while they loaded. As the alert's `for:`.
constexpr double settled_seconds = 600;

void add(examination& out, std::string_view check, std::string kind, std::string message, std::string remedy,
         severity how_bad = severity::warning)
{
    out.found.push_back({.check = check,
                         .how_bad = how_bad,
                         .kind = std::move(kind),
                         .message = std::move(message),
                         .remedy = std::move(remedy)});
}

void judge_heartbeats(samples const& from, std::string& seen, examination& out)
{
    for (std::string const transport : {"notify", "wal"}) {
        // 0: the transport is not in use.
        auto const age = from.total("pgtally_heartbeat_age_seconds", {"transport", transport});
        if (age <= 0) continue;
        seen += (seen.empty() ? "" : ", ") + ("a heartbeat came back by " + transport + ' ' + span_text(age) + " ago");
        if (age <= thresholds::heartbeat_age_seconds.limit) continue;
        add(out, "events", "heartbeat_late", "no heartbeat came back by " + transport + " for " + span_text(age),
            "pgtally check --dsn of its database; with a pooler in between, connect directly", severity::error);
    }
}

void judge_events(samples const& from, double runs, examination& out)
{
    std::string seen;
    judge_heartbeats(from, seen, out);
    if (auto const lag = from.quantile("pgtally_event_lag_seconds", 0.99)) {
        auto const text = *lag > 1e6 ? std::string{"more than 10 s"} : "at most " + span_text(*lag);
        seen += (seen.empty() ? "" : ", ") + ("99 % of the changes arrived after " + text);
        if (*lag > thresholds::event_lag_seconds.limit) {
            add(out, "events", "lag", "since the start of the server 99 % of the changes arrived after " + text,
                "is the server's CPU busy? Transactions that are open for long delay notifications. With many writers, "
                "transport wal is faster");
        }
    }
    auto const reconnects = from.total("pgtally_reconnects_total");
    if (reconnects * std::min(1.0, runs > 0 ? 900 / runs : 1.0) > thresholds::reconnects.limit) {
        add(out, "events", "reconnects",
            "the connection to the database was lost " + count_text(reconnects) + " times in " + span_text(runs),
            "the log of the server has each reason: a firewall's timeout, restarts, pg_terminate_backend");
    }
    if (auto const dropped = from.total("pgtally_events_dropped_total"); dropped > 0) {
        add(out, "events", "events_invalid", count_text(dropped) + " events were not valid, and were dropped",
            "look for who sends them: any role that may connect can", severity::note);
    }
    out.saw("events", std::move(seen));
}

void judge_queue(samples const& from, examination& out)
{
    auto const fill = from.total("pgtally_notification_queue_usage_ratio");
    auto const text = count_text(fill * 100) + " % full";
    out.saw("notify", "the notification queue is " + text);
    if (fill <= thresholds::notification_queue.limit) return;
    add(out, "notify", "notification_queue", "the notification queue is " + text,
        "end the session that listens and stays in a transaction: see pg_stat_activity");
}

void judge_wal(samples const& from, examination& out)
{
    if (from.total("pgtally_heartbeat_age_seconds", {"transport", "wal"}) <= 0) {
        out.skipped("wal", "no tally has transport wal");
        return;
    }
    auto const held = from.total("pgtally_wal_lag_bytes");
    auto const limit = from.total("pgtally_limit", {"name", "wal_lag_bytes"});
    out.saw("wal", "PostgreSQL keeps " + size_text(held) + " for it");
    if (limit <= 0 || held <= thresholds::wal_held.limit * limit) return;
    add(out, "wal", "wal_held",
        "PostgreSQL keeps " + size_text(held) + " of WAL for it; the limit is " + size_text(limit),
        "is the server's CPU busy? A long transaction in the database delays a slot as well. Else raise "
        "--wal-lag-limit");
}

void judge_clients(samples const& from, double runs, examination& out)
{
    auto const clients = from.total("pgtally_clients");
    auto const most = from.total("pgtally_limit", {"name", "clients"});
    out.saw("clients", part_text(clients, most) + " clients");
    if (most > 0 && clients > thresholds::clients.limit * most) {
        add(out, "clients", "clients_near_limit", "it has " + part_text(clients, most) + " clients",
            "raise --max-clients, and the limit of descriptors, or add a server");
    }
    auto const cut = from.total("pgtally_clients_cut_total", {"reason", "stalled"});
    if (runs > 0 && cut / runs > thresholds::slow_clients_cut.limit) {
        add(out, "clients", "slow_clients_cut",
            count_text(cut) + " clients took nothing for 30 s and were cut, in " + span_text(runs),
            "dead networks, and pages that sleep, do that; so does a proxy that buffers: see docs/proxies.md");
    }
    auto const refused =
        from.total("pgtally_tokens_refused_total") - from.total("pgtally_tokens_refused_total", {"reason", "expired"});
    if (runs > 0 && refused / runs > thresholds::tokens_refused.limit) {
        add(out, "clients", "tokens_refused", count_text(refused) + " tokens were refused in " + span_text(runs),
            "pgtally_tokens_refused_total by reason says why: `signature` is another key than those of --auth-key");
    }
    auto const requests = from.total("pgtally_requests_total");
    double errors = 0;
    for (std::string_view const status : {"500", "502", "503", "504"})
        errors += from.total("pgtally_requests_total", {"status", status});
    if (runs < settled_seconds || requests <= 0 || errors <= thresholds::errors.limit * requests) return;
    add(out, "clients", "errors",
        part_text(errors, requests) + " requests ended with 5xx since the start of the server",
        "pgtally_requests_total{status=~\"5..\"} by route says which, and the log why");
}

void judge_process(samples const& from, examination& out)
{
    auto const open = from.total("process_open_fds");
    auto const most = from.total("process_max_fds");
    auto const text = part_text(open, most) + " file descriptors";
    out.saw("process", text + ", " + size_text(from.total("process_resident_memory_bytes")) + " of memory");
    if (most <= 0 || open <= thresholds::descriptors.limit * most) return;
    add(out, "process", "descriptors_near_limit", "it has " + text + " open", "raise LimitNOFILE= in its unit");
}

}  // namespace

void judge_use(server_reading const& of, examination& out)
{
    if (!of.metrics) {
        for (std::string_view const group : {"events", "notify", "wal", "clients", "process"})
            out.skipped(group, of.admin ? "the metrics cannot be read" : "only the admin address tells");
        return;
    }
    auto const runs = uptime(of).value_or(0);
    judge_events(*of.metrics, runs, out);
    judge_queue(*of.metrics, out);
    judge_wal(*of.metrics, out);
    judge_clients(*of.metrics, runs, out);
    judge_process(*of.metrics, out);
}

}  // namespace pgtally::server
