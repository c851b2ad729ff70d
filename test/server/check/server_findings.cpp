#include <pgtally/server/check/server_findings.hpp>

#include <boost/test/unit_test.hpp>

#include <algorithm>

BOOST_AUTO_TEST_SUITE(test_server_findings)

using namespace pgtally::server;

namespace {

constexpr double started = 1'700'000'000;

// A server that is well and runs for an hour, with more lines of metrics: of two series of one name both count.
server_reading reading(std::string const& more = {}, std::string const& state = "live", std::string reason = {})
{
    server_reading out;
    out.now = started + 3600;
    out.program = "1.2.3";
    out.ready = state == "live" ? 200 : 503;
    out.tallies.push_back({"t", state, std::move(reason)});
    out.metrics = samples::parse(
        "pgtally_build_info{version=\"1.2.3\"} 1\n"
        "pgtally_database_info{host=\"db:5432\"} 1\n"
        "process_start_time_seconds 1700000000\n"
        "process_max_fds 1000\n"
        "pgtally_limit{name=\"clients\"} 100\n"
        "pgtally_limit{name=\"wal_lag_bytes\"} 1000\n"
        "pgtally_keys{tally=\"t\"} 12\n"
        "pgtally_requests_total{status=\"200\"} 1000\n" +
        more);
    return out;
}

examination judged(server_reading const& of)
{
    examination out;
    judge_service(of, out);
    judge_tallies(of, out);
    judge_use(of, out);
    return out;
}

// "kind severity", of each finding.
std::string found(server_reading const& of)
{
    std::string out;
    for (auto const& one : judged(of).found) {
        BOOST_TEST(!one.message.empty());
        BOOST_TEST(!one.remedy.empty());
        out += (out.empty() ? "" : ", ") + one.kind + ' ' + std::string{word_of(one.how_bad)};
    }
    return out;
}

std::string facts(examination const& of, std::string_view group)
{
    auto const at = std::ranges::find(of.groups, group, &looked_at::group);
    return at == of.groups.end() ? "" : at->seen + at->skipped;
}

std::string several_buckets(std::string_view slow)
{
    std::string out;
    for (auto const* const bound : {"0.1", "1", "2.5", "+Inf"}) {
        bool const all = std::string_view{bound} == "+Inf" || bound >= slow;
        out += std::string{"pgtally_event_lag_seconds_bucket{le=\""} + bound + "\"} " + (all ? "100" : "98") + "\n";
    }
    return out;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_server_that_is_well)
{
    auto const all =
        judged(reading("pgtally_heartbeat_age_seconds{transport=\"notify\"} 0.5\n"
                       "pgtally_last_audit_timestamp_seconds{tally=\"t\"} 1700003000\n"
                       "pgtally_materialize_pending_keys{tally=\"t\"} 3\n"
                       "pgtally_materialize_writer{tally=\"t\"} 1\n"));
    BOOST_TEST(all.found.empty());
    BOOST_TEST(facts(all, "service") == "pgtally 1.2.3, ready, database at db:5432, runs for 60 min");
    BOOST_TEST(facts(all, "tally") == "live, 12 keys, compared with the truth 10 min ago, 3 keys wait for its table");
    BOOST_TEST(facts(all, "events") == "a heartbeat came back by notify 0.5 s ago");
    BOOST_TEST(facts(all, "wal") == "no tally has transport wal");
    BOOST_TEST(facts(all, "clients") == "0 of 100 clients");
}

BOOST_AUTO_TEST_CASE(states)
{
    BOOST_TEST(found(reading("", "failed", "the source is gone")) == "failed error");
    BOOST_TEST(found(reading("", "stale", "no connection")) == "stale error");
    BOOST_TEST(found(reading("", "loading")) == "loading warning");
    BOOST_TEST(found(reading("", "loading", "a lock")) == "loading error");
    auto const all = judged(reading("", "failed", "the trigger is off; remedy: select tally.reload('t')"));
    BOOST_TEST(all.found[0].message == "its state is failed: the trigger is off");
    BOOST_TEST(all.found[0].remedy == "select tally.reload('t')");
    auto draining = reading();
    draining.ready = 503;
    BOOST_TEST(found(draining) == "not_ready warning");
}

// Each pair is at the threshold, and beyond it.
BOOST_AUTO_TEST_CASE(thresholds)
{
    struct row {
        std::string at, beyond, kind;
    };
    std::vector<row> const rows{
        {"pgtally_heartbeat_age_seconds{transport=\"wal\"} 30", "pgtally_heartbeat_age_seconds{transport=\"wal\"} 31",
         "heartbeat_late error"},
        {"pgtally_notification_queue_usage_ratio 0.25", "pgtally_notification_queue_usage_ratio 0.26",
         "notification_queue warning"},
        {"pgtally_heartbeat_age_seconds{transport=\"wal\"} 1\npgtally_wal_lag_bytes 500",
         "pgtally_heartbeat_age_seconds{transport=\"wal\"} 1\npgtally_wal_lag_bytes 501", "wal_held warning"},
        {"pgtally_clients{protocol=\"ws\"} 45\npgtally_clients{protocol=\"sse\"} 45",
         "pgtally_clients{protocol=\"ws\"} 45\npgtally_clients{protocol=\"sse\"} 46", "clients_near_limit warning"},
        {"process_open_fds 900", "process_open_fds 901", "descriptors_near_limit warning"},
        {"pgtally_clients_cut_total{reason=\"stalled\"} 3600\npgtally_clients_cut_total{reason=\"silent\"} 9999",
         "pgtally_clients_cut_total{reason=\"stalled\"} 3601", "slow_clients_cut warning"},
        {"pgtally_tokens_refused_total{reason=\"signature\"} 3600\npgtally_tokens_refused_total{reason=\"expired\"} 9999",
         "pgtally_tokens_refused_total{reason=\"signature\"} 3601", "tokens_refused warning"},
        {"pgtally_requests_total{status=\"503\"} 52", "pgtally_requests_total{status=\"503\"} 53", "errors warning"},
        {"pgtally_drift_keys_total{tally=\"t\"} 0", "pgtally_drift_keys_total{tally=\"t\"} 1", "drift warning"},
        {"pgtally_audits_total{tally=\"t\",result=\"failed\"} 2",
         "pgtally_audits_total{tally=\"t\",result=\"failed\"} 3", "audits_fail warning"},
        // Three in a quarter of an hour.
        {"pgtally_reconnects_total 12", "pgtally_reconnects_total 13", "reconnects warning"},
        {"pgtally_materialize_failures_total{tally=\"t\"} 12", "pgtally_materialize_failures_total{tally=\"t\"} 13",
         "table_fails warning"},
        {"pgtally_materialize_refused_total{tally=\"t\"} 0", "pgtally_materialize_refused_total{tally=\"t\"} 1",
         "rows_refused warning"},
        {"pgtally_problems{tally=\"t\"} 0", "pgtally_problems{tally=\"t\"} 1", "problems warning"},
        {"pgtally_materialize_writer{tally=\"t\"} 1", "pgtally_materialize_writer{tally=\"t\"} 0",
         "nobody_writes note"},
        {"pgtally_events_dropped_total{reason=\"json\"} 0", "pgtally_events_dropped_total{reason=\"json\"} 1",
         "events_invalid note"},
        {several_buckets("1"), several_buckets("2.5"), "lag warning"},
    };
    for (auto const& [at, beyond, kind] : rows) {
        BOOST_TEST(found(reading(at)) == "", at);
        BOOST_TEST(found(reading(beyond)) == kind, beyond);
    }
}

BOOST_AUTO_TEST_CASE(an_audit_that_compared_ends_the_failures)
{
    BOOST_TEST(found(reading("pgtally_audits_total{tally=\"t\",result=\"failed\"} 9\n"
                             "pgtally_audits_total{tally=\"t\",result=\"equal\"} 1\n")) == "");
}

BOOST_AUTO_TEST_CASE(a_young_server_has_no_averages_of_errors)
{
    auto young = reading("pgtally_requests_total{status=\"503\"} 5000\n");
    BOOST_TEST(found(young) == "errors warning");
    young.now = started + 599;
    BOOST_TEST(found(young) == "");
}

BOOST_AUTO_TEST_CASE(another_version_is_a_note)
{
    auto other = reading();
    other.metrics = samples::parse("pgtally_build_info{version=\"0.0.9\"} 1\n");
    BOOST_TEST(found(other) == "other_version note");
}

BOOST_AUTO_TEST_CASE(a_public_address_tells_of_states_only)
{
    auto shut = reading("", "stale", "the database is away");
    shut.metrics.reset();
    shut.admin = false;
    BOOST_TEST(found(shut) == "public_address warning, stale error");
    BOOST_TEST(facts(judged(shut), "process") == "only the admin address tells");
}

BOOST_AUTO_TEST_SUITE_END()
