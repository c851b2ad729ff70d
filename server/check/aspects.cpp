#include <pgtally/server/check/aspects.hpp>

namespace pgtally::server {

namespace {

constexpr aspect of_a_database[] = {
    {"server", "the connection", "connection query"},
    {"server", "its version", "version"},
    {"server", "its encoding", "encoding"},
    {"server", "whether it takes writes", "standby"},
    {"limits", "connections", "connection_limit max_connections"},
    {"limits", "temporary files", "temp_file_limit"},
    {"limits", "the end of the password", "password_expires"},
    {"notify", "the notification queue", "notification_queue"},
    {"notify", "whether a notification comes back", "pooler"},
    {"schema", "whose it is, and its version", "schema foreign_schema"},
    {"schema", "triggers that no tally has", "orphan"},
    {"rights", "what serving needs", "rights replication_right"},
    {"tally", "its source", "source_lost source_changed"},
    {"tally", "its triggers", "missing_trigger disabled_trigger left_behind replicated"},
    {"tally", "its columns", "column_dropped column_changed column_renamed"},
    {"tally", "its functions", "outdated function_gone altered owner_changed rights"},
    {"tally", "its truth", "row_security truth_fails"},
    {"tally", "its actions", "action_fails"},
    {"tally", "its table", "materialize_gone"},
    {"tally", "its transport", "wal_level slots senders publication_missing publication_has_tables"},
    {"replication", "a replication connection", "replication replication_right senders wal_level pooler"},
    {"replication", "a temporary slot", "slots slot_waits publication_missing"},
    {"senders", "who can forge events", "senders"},
    {"process", "file descriptors", "descriptors"},
};

constexpr aspect of_a_server[] = {
    {"service", "its answers", "unreachable unreadable public_address"},
    {"service", "whether it is ready", "not_ready"},
    {"service", "its version", "other_version"},
    {"tally", "its state", "failed stale loading"},
    {"tally", "problems that the database reports", "problems"},
    {"tally", "its drift", "drift"},
    {"tally", "its audits", "audits_fail"},
    {"tally", "its table", "table_fails rows_refused nobody_writes"},
    {"events", "its heartbeats", "heartbeat_late"},
    {"events", "the lag", "lag"},
    {"events", "the connection", "reconnects"},
    {"events", "whether they are valid", "events_invalid"},
    {"notify", "the notification queue", "notification_queue"},
    {"wal", "WAL that PostgreSQL keeps for it", "wal_held"},
    {"clients", "their number", "clients_near_limit"},
    {"clients", "slow ones", "slow_clients_cut"},
    {"clients", "tokens", "tokens_refused"},
    {"clients", "errors", "errors"},
    {"process", "file descriptors", "descriptors_near_limit"},
};

bool among(std::string_view word, std::string_view words) noexcept
{
    for (;;) {
        auto const space = words.find(' ');
        if (words.substr(0, space) == word) return true;
        if (space == std::string_view::npos) return false;
        words.remove_prefix(space + 1);
    }
}

}  // namespace

std::span<aspect const> aspects_of(examination::subject of) noexcept
{
    if (of == examination::subject::server) return of_a_server;
    return of_a_database;
}

std::string_view group_of(finding const& one) noexcept
{
    if (among(one.check, "connection query version encoding standby")) return "server";
    if (among(one.check, "notification_queue pooler")) return "notify";
    return one.check;
}

bool belongs(finding const& one, aspect const& to) noexcept
{
    return group_of(one) == to.group && among(kind_of(one), to.kinds);
}

}  // namespace pgtally::server
