#include <pgtally/cache/replica/session_settings.hpp>

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

}  // namespace

std::vector<session_setting> session_settings(session_kind kind, session_times const& times)
{
    switch (kind) {
        case session_kind::transport:
        case session_kind::check:
        case session_kind::audit: return {};
        case session_kind::control:
        case session_kind::loader:
            // A barrier proves what was committed before it. It need not be on disk, nor on a standby, to arrive.
            return {{"synchronous_commit", "local"}};
        case session_kind::action: return {{"statement_timeout", in_ms(times.statement)}};
        case session_kind::bypass:
            return {{"statement_timeout", in_ms(times.statement)}, {"default_transaction_read_only", "on"}};
        case session_kind::materializer:
            return {
                {"statement_timeout", in_ms(times.statement)},
                {"lock_timeout", in_ms(times.lock)},
                // A hung session holds the advisory lock of its tally. PostgreSQL ends the session, and the next server
                // takes over: after `idle` if the process hangs, after 30 s if its host is gone.
                {"idle_session_timeout", in_ms(times.idle)},
                {"tcp_keepalives_idle", "15"},
                {"tcp_keepalives_interval", "5"},
                {"tcp_keepalives_count", "3"},
                // Keys are written and compared as tally.truth() prints them.
                {"datestyle", "ISO, YMD"},
                {"intervalstyle", "postgres"},
                {"timezone", "UTC"},
                {"extra_float_digits", "1"},
                {"bytea_output", "hex"},
            };
        case session_kind::script:
            // Writers queue behind the locks that an installation waits for: it gives up soon and tries again.
            return {{"lock_timeout", "2s"}, {"client_min_messages", "warning"}};
    }
    return {};
}

std::string set_session(std::vector<session_setting> const& all)
{
    std::string out;
    for (auto const& [name, value] : all) {
        if (!out.empty()) out += "; ";
        out += "set " + name + " = " + quoted(value);
    }
    return out;
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
    auto const sent = kind == session_kind::script ? std::vector<session_setting>{} : session_settings(kind, times);
    if (!sent.empty()) database.on_connect.push_back(set_session(sent));
    return database;
}

}  // namespace pgtally
