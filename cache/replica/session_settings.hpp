#pragma once

// The sessions that pgtally opens in a database. Only session_settings.cpp contains their settings.
//
// Model: each session is of one kind. A kind has settings of PostgreSQL, which are sent right after the connect, and
// settings of the client (name, time limits, recovery). A program adds its time limits. The settings of a kind override
// those of the role, the database, the server and PGOPTIONS, because they are sent later. Settings that PostgreSQL does
// not know, because it is older, are left out.
//
// Not set: what only a superuser may set (temp_file_limit, lc_messages, session_replication_role). A failure by such a
// setting is the reason of a state. No code depends on the language of messages. What PostgreSQL does for the
// performance of a query (work_mem, jit) stays as it is. An action runs the application's SQL: only the limits of its
// time are ours; isolation, locks, read only, search_path and the rest are those of the role and the database.
//
// To add a setting to one kind: its case in `session_settings`. To add one to every kind: `lifetimes` or `for_our_sql`.
// To add a kind: the enumeration, and a case in both functions.

#include <pgtally/db/config.hpp>

#include <chrono>
#include <string>
#include <vector>

namespace pgtally {

enum class session_kind {
    transport,     // receives events
    control,       // reads definitions and problems, sends heartbeats and the barriers of awaited writes
    loader,        // loads tallies, sends the barriers of loads
    action,        // runs the statements behind POST
    bypass,        // reads counters by SQL for ?source=database
    materializer,  // writes the table of a tally
    check,         // runs the queries of pgtally check
    audit,         // lists the tallies for pgtally audit, whose replicas have sessions of their own
    script,        // runs the script of pgtally install and uninstall, in one transaction
};

// The time limits that a program chooses for a session. Kinds with limits of their own ignore them.
struct session_times {
    std::chrono::milliseconds connect{0};    // for each address; 0: as in the configuration of the database
    std::chrono::milliseconds statement{0};  // PostgreSQL cancels a statement after it; 0: never
    std::chrono::milliseconds lock{0};       // PostgreSQL ends a wait for a lock after it; 0: never
    std::chrono::milliseconds idle{0};       // PostgreSQL ends a session that sends nothing for so long; 0: never
};

struct session_setting {
    std::string name, value;
};

// The longest time that a statement of ours waits for a lock. In a deadlock with DDL of the application ours must give up:
// PostgreSQL ends the session that finds the deadlock, after deadlock_timeout, which is 1 s unless a superuser changed it.
// The setting holds for transactions that read: a barrier that follows on the same session waits as long as it must.
inline constexpr std::chrono::milliseconds lock_patience{500};

// The longest time that a load tries to lock its source.
inline constexpr std::chrono::milliseconds load_lock_timeout{10'000};

// The longest time that a load's transaction waits for this side. The client reads without a pause, so it hangs then.
inline constexpr std::chrono::milliseconds load_idle_timeout{60'000};

// The longest time that an installation waits for a lock, because writers queue behind that wait: it tries again.
inline constexpr std::chrono::milliseconds script_lock_timeout{2'000};

// The settings of PostgreSQL for a kind of session. `peer_timeout`: as db::config::peer_timeout, for PostgreSQL's side.
std::vector<session_setting> session_settings(session_kind kind, session_times const& times = {},
                                              std::chrono::milliseconds peer_timeout = db::config{}.peer_timeout);

// SQL that begins a transaction which waits for a lock no longer than `lock_patience`.
std::string begin_reading();
std::string begin_writing();

// SQL that makes these settings, for the session or for its transaction.
std::string set_session(std::vector<session_setting> const& all);
std::string set_transaction(std::vector<session_setting> const& all);

// "set local a = 'b'". Not for settings that are lists, as search_path.
std::string set_local(session_setting const& one);

// Returns `database` with everything added that a session of this kind needs.
db::config session_config(session_kind kind, db::config database);
db::config session_config(session_kind kind, db::config database, session_times const& times);

}  // namespace pgtally
