#pragma once

#include <pgtally/db/backoff.hpp>

#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace pgtally::db {

enum class level {
    debug,  ///< each step
    info,   ///< connected, reconnected, a NOTICE of the server
    warn,   ///< connection lost, connect failed, a WARNING of the server
    error,  ///< a failure that a retry does not fix
};

/// How to reach a database, and how to behave on the connection. Objects copy it.
///
/// *Preconditions*: this is an aggregate; give it a name before the co_await expression that passes it (g++ 12
/// destroys a temporary twice).
struct config {
    /// libpq's keywords or a URI (PostgreSQL manual, "Connection Strings"); several hosts are allowed. If it is
    /// empty, libpq uses its environment (PGHOST, PGSERVICE, ...). Defaults where the string, the environment and
    /// the service file are silent: target_session_attrs=read-write; keep-alives and tcp_user_timeout by
    /// peer_timeout. client_encoding is always UTF8. libpq's own connect_timeout has no effect.
    std::string conninfo{};

    /// The application_name, if neither conninfo nor PGAPPNAME sets one.
    std::string application_name{"pgtally"};

    /// SQL statements to run after each physical connect, one by one. If one fails, the connect fails.
    std::vector<std::string> on_connect{};

    /// The limit for each address, as with libpq's connect_timeout. Name resolution and on_connect have the same
    /// limit each. Range: > 0.
    std::chrono::milliseconds connect_timeout{10'000};

    /// How long the server's host may acknowledge nothing; then the connection is lost. Becomes libpq's
    /// tcp_user_timeout, keepalives_idle (half), keepalives_interval (a sixth) and keepalives_count (3), each unless
    /// conninfo gives it. Connections without TCP ignore it. Range: >= 1 s.
    std::chrono::milliseconds peer_timeout{30'000};

    /// The limit for one operation; 0: no limit. connection::set_timeout changes it. For a row_stream, copy_in or
    /// copy_out it limits each call. For a session it limits each call including its wait. A listener ignores it.
    std::chrono::milliseconds query_timeout{0};

    /// The limit for recovery; 0: close at once. A connection recovers after an operation that ended early: its
    /// deadline passed, its coroutine was cancelled, or a stream was not read to its end. Recovery asks the
    /// server to stop and drops what it still sends. If recovery takes longer, the connection is closed. A
    /// listener and a session ignore this limit.
    std::chrono::milliseconds recovery_timeout{5'000};

    backoff_limits retry{};

    /// Receives one line at a time, without a line end, on the executor; empty: no log. The hook may close the
    /// connection. Its exceptions are ignored.
    std::function<void(level, std::string_view)> log{};

    /// "host:port/dbname as user" for logs and errors; never a password, whatever conninfo contains. Reads the
    /// environment and the service file.
    ///
    /// *Errors*: throws only std::bad_alloc.
    [[nodiscard]] std::string redacted() const;
};

}  // namespace pgtally::db
