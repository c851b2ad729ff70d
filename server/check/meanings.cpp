#include <pgtally/server/check/meanings.hpp>

namespace pgtally::server {

namespace {

struct meaning {
    std::string_view kind, text;
};

constexpr meaning of_a_database[] = {
    {"connection", "a server cannot follow this database"},
    {"query", "not everything could be looked at"},
    {"version", "pgtally is not tested with this PostgreSQL"},
    {"encoding", "keys cannot be carried as UTF-8, so that the schema cannot be installed"},
    {"standby", "a server stays stale: it cannot send the events that prove that it follows"},
    {"connection_limit", "a server is refused connections: it stays stale, or its actions fail"},
    {"max_connections", "a server is refused connections: it stays stale, or its actions fail"},
    {"temp_file_limit", "a tally whose load needs more becomes failed"},
    {"password_expires", "a server that connects again after that is refused, and its tallies become failed"},
    {"notification_queue", "when the queue is full, every COMMIT that notifies fails, of other applications too"},
    {"pooler", "events do not arrive: tallies never become live"},
    {"schema", "tallies of this database cannot be served, or are not checked as this program would"},
    {"foreign_schema", "nothing of this schema was run: it could act with the rights of whoever calls it"},
    {"orphan", "writers of that table call triggers that count for nobody"},
    {"rights", "a server cannot do what needs this right, and says so in the state of its tallies"},
    {"source_lost", "nothing is counted, and the counters stay as they are"},
    {"source_changed", "the counters cannot be read from the source"},
    {"missing_trigger", "changes by such statements are not counted"},
    {"disabled_trigger", "changes by such statements are not counted"},
    {"left_behind", "rows are counted that are no part of the source"},
    {"replicated", "changes that the subscription applies are not counted"},
    {"column_dropped", "the counters cannot be computed"},
    {"column_changed", "the expressions may count something else than before"},
    {"column_renamed", "the counters are right; each write takes longer"},
    {"outdated", "the counters are right; what this version adds is missing"},
    {"function_gone", "statements cannot be counted, or the truth cannot be read"},
    {"altered", "what counts is not what the definition says"},
    {"owner_changed", "the functions act for a role that does not own the source any more"},
    {"row_security", "the truth is an error: rows of the source are hidden"},
    {"truth_fails", "the tally cannot be loaded or audited"},
    {"action_fails", "POST of this action is answered by an error"},
    {"materialize_gone", "the counters are served, and kept in no table"},
    {"wal_level", "no server can follow by transport wal"},
    {"slots", "no further server can follow by transport wal"},
    {"publication_missing", "no server can follow by transport wal"},
    {"publication_has_tables", "servers receive rows that they do not need"},
    {"replication_right", "a server with this role cannot follow by transport wal"},
    {"replication", "a server cannot follow by transport wal"},
    {"slot_waits", "a server that starts now waits as well"},
    {"senders", "a forged event shows wrong counters until an audit mends them"},
    {"descriptors", "a server that starts like this refuses clients before --max-clients"},
};

constexpr meaning of_a_server[] = {
    {"unreachable", "nothing is known of this server"},
    {"unreadable", "not everything could be looked at"},
    {"public_address", "descriptors, lag, audits and drift were not looked at"},
    {"not_ready", "a balancer that asks /readyz sends it no clients"},
    {"other_version", "some of what it reports may be unknown to this program"},
    {"failed", "waiting does not cure it; the last counters are shown"},
    {"stale", "the last counters are shown, which may be old"},
    {"loading", "there are no counters to show yet"},
    {"problems", "the database reports what keeps it from being exact"},
    {"drift", "changes passed by the triggers, or events were forged or lost; these keys are mended already"},
    {"audits_fail", "nothing proves the counters at present"},
    {"table_fails", "the counters are served; the table is behind"},
    {"rows_refused", "these rows of the table keep their old counters"},
    {"nobody_writes", "unless another server writes it, the table stays behind"},
    {"heartbeat_late", "events do not come through: the tallies are stale, or about to be"},
    {"lag", "what is shown is behind what was committed"},
    {"events_invalid", "somebody sends what pgtally does not; it was dropped"},
    {"reconnects", "each of them costs a load, and the tallies are stale meanwhile"},
    {"wal_held", "at the limit the slot is made again, and all its tallies are loaded"},
    {"clients_near_limit", "clients beyond the limit are refused with 503"},
    {"slow_clients_cut", "these clients lose their stream, and come back"},
    {"tokens_refused", "whoever sends them reads public tallies only"},
    {"errors", "clients are shown errors"},
    {"descriptors_near_limit", "new connections wait"},
};

}  // namespace

std::string_view meaning_of(finding const& one) noexcept
{
    auto const kind = kind_of(one);
    // Of transport wal and not about roles.
    if (kind == "senders" && one.check != "senders") return "no further server can follow by transport wal";
    for (auto const& each : of_a_database) {
        if (each.kind == kind) return each.text;
    }
    for (auto const& each : of_a_server) {
        if (each.kind == kind) return each.text;
    }
    return {};
}

}  // namespace pgtally::server
