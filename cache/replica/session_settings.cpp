#include <pgtally/cache/replica/session_settings.hpp>

#include <pgtally/db/keepalive_times.hpp>

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <utility>

namespace pgtally {

namespace {

using std::chrono::milliseconds;
using namespace std::chrono_literals;

// PostgreSQL takes milliseconds as a 32-bit integer.
std::string in_ms(milliseconds length)
{
    return std::to_string(std::clamp<std::int64_t>(length.count(), 0, 2'000'000'000));
}

// Returns the text in single quotes. The values here contain no backslash.
std::string quoted(std::string_view text)
{
    std::string out{'\''};
    for (char const c : text) {
        if (c == '\'') out += c;
        out += c;
    }
    return out + '\'';
}

using settings = std::vector<session_setting>;

void add(settings& to, settings more)
{
    for (auto& each : more) to.push_back(std::move(each));
}

// What would end or delay any session, whatever the role, the database or the server set. PostgreSQL notices a dead
// client as this side notices a dead server: a stopped process must not hold back VACUUM by a snapshot.
settings lifetimes(session_times const& times, milliseconds peer_timeout)
{
    db::keepalive_times const silence{peer_timeout};
    return {
        {"statement_timeout", in_ms(times.statement)},
        {"idle_in_transaction_session_timeout", in_ms(times.idle)},
        {"idle_session_timeout", in_ms(times.idle)},
        {"transaction_timeout", "0"},  // since PostgreSQL 17
        {"tcp_user_timeout", in_ms(silence.user_timeout)},
        {"tcp_keepalives_idle", std::to_string(silence.idle.count())},
        {"tcp_keepalives_interval", std::to_string(silence.interval.count())},
        {"tcp_keepalives_count", std::to_string(silence.count)},
    };
}

// What the SQL of pgtally itself relies on.
settings for_our_sql(session_times const& times)
{
    return {
        {"lock_timeout", in_ms(times.lock)},
        {"default_transaction_isolation", "read committed"},
        {"default_transaction_read_only", "off"},
        {"default_transaction_deferrable", "off"},
        {"row_security", "on"},
        {"standard_conforming_strings", "on"},
    };
}

// The names and operators in the SQL of pgtally are PostgreSQL's.
session_setting const own_path{"search_path", "pg_catalog, pg_temp"};

// Keys are written and compared as tally.truth() prints them.
settings formats_of_the_truth()
{
    return {
        {"datestyle", "ISO, YMD"},   {"intervalstyle", "postgres"}, {"timezone", "UTC"},
        {"extra_float_digits", "1"}, {"bytea_output", "hex"},
    };
}

// (values ('a', 'b'), …) as s (n, v), without settings that this PostgreSQL does not know.
std::string set_all(settings const& all, char const* is_local)
{
    std::string values;
    for (auto const& [name, value] : all) {
        values += (values.empty() ? "(" : ", (") + quoted(name) + ", " + quoted(value) + ")";
    }
    return std::string{"pg_catalog.set_config(n, v, "} + is_local + ") from (values " + values +
           ") as s (n, v) where pg_catalog.current_setting(n, true) is not null";
}

}  // namespace

std::vector<session_setting> session_settings(session_kind kind, session_times const& times, milliseconds peer_timeout)
{
    auto of = times;
    if (kind == session_kind::script) of.lock = script_lock_timeout;
    auto out = lifetimes(of, peer_timeout);
    // An action runs the application's SQL, under what the role and the database set for it.
    if (kind == session_kind::action) return out;
    add(out, for_our_sql(of));
    // A later value of a setting overrides an earlier one.
    switch (kind) {
        case session_kind::action:
        case session_kind::transport:
        case session_kind::check:
        case session_kind::audit: out.push_back(own_path); break;
        case session_kind::control:
            // A barrier proves what was committed before it. It need not be on disk, nor on a standby, to arrive.
            add(out, {own_path, {"synchronous_commit", "local"}});
            break;
        case session_kind::loader:
            add(out, {own_path,
                      {"synchronous_commit", "local"},
                      // The snapshot of a process that hangs in the middle of a load holds back VACUUM.
                      {"idle_in_transaction_session_timeout", in_ms(load_idle_timeout)}});
            break;
        case session_kind::bypass:
            add(out, {own_path, {"default_transaction_read_only", "on"}, {"lock_timeout", in_ms(lock_patience)}});
            break;
        case session_kind::materializer:
            // The operators of a key's type may be in any schema, so the path stays the role's. A hung session holds
            // the advisory lock of its tally: `idle` ends it, and the next server takes over.
            add(out, formats_of_the_truth());
            break;
        case session_kind::script: add(out, {own_path, {"client_min_messages", "warning"}}); break;
    }
    return out;
}

std::string set_session(std::vector<session_setting> const& all)
{
    // The first statement takes less than any timeout.
    return "set statement_timeout = 0; select " + set_all(all, "false");
}

std::string set_transaction(std::vector<session_setting> const& all)
{
    return "do $settings$ begin perform " + set_all(all, "true") + "; end $settings$";
}

std::string begin_reading()
{
    return "begin isolation level read committed read only; " + set_local({"lock_timeout", in_ms(lock_patience)});
}

std::string begin_writing()
{
    return "begin isolation level read committed read write; " + set_local({"lock_timeout", in_ms(lock_patience)});
}

std::string set_local(session_setting const& one)
{
    return "set local " + one.name + " = " + quoted(one.value);
}

db::config session_config(session_kind kind, db::config database)
{
    return session_config(kind, std::move(database), session_times{});
}

db::config session_config(session_kind kind, db::config database, session_times const& times)
{
    if (times.connect > 0ms) database.connect_timeout = times.connect;
    // PostgreSQL cancels a late statement itself. If no answer comes even then, the connection is dead.
    if (times.statement > 0ms) database.query_timeout = times.statement + database.connect_timeout;
    switch (kind) {
        case session_kind::transport:
        case session_kind::script: break;
        case session_kind::control:
        case session_kind::loader:
            // A late statement means a lost connection. The replica opens another one.
            database.recovery_timeout = 0ms;
            break;
        case session_kind::action: database.application_name = "pgtally actions"; break;
        case session_kind::bypass: database.application_name = "pgtally bypass"; break;
        case session_kind::materializer:
            database.application_name = "pgtally materialize";
            // A late statement means a lost connection, and the advisory lock is lost with it.
            database.recovery_timeout = 0ms;
            break;
        case session_kind::check:
            database.connect_timeout = 5s;
            database.query_timeout = 10s;
            break;
        case session_kind::audit: database.query_timeout = 10s; break;
    }
    // The settings of a script belong to its transaction: the script sets them itself.
    if (kind == session_kind::script) return database;
    database.on_connect.push_back(set_session(session_settings(kind, times, database.peer_timeout)));
    return database;
}

}  // namespace pgtally
