#pragma once

#include <pgtally/db/backoff.hpp>

#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace pgtally::db {

enum class level {
    debug,  ///< every step
    info,   ///< connected, connected again, NOTICE of the server
    warn,   ///< lost, cannot connect, WARNING of the server
    error,  ///< cannot be cured by waiting
};

/// How to reach a database and how to behave there. Copied by those who get it. An aggregate: make
/// it before the co_await expression that passes it, never in it (g++ 12 destroys it twice).
struct config {
    /// libpq's keywords or a URI, several hosts allowed; empty: libpq's environment (PGHOST,
    /// PGSERVICE, ...). Unless it (or the environment, or the service) says otherwise:
    /// target_session_attrs= read-write, keepalives after 15 s every 5 s three times,
    /// tcp_user_timeout 30 s. client_encoding is always UTF8. libpq's own connect_timeout is not
    /// used.
    std::string conninfo{};

    /// Used unless conninfo or PGAPPNAME gives one.
    std::string application_name{"pgtally"};

    /// SQL run after every physical connect, each by itself; one that fails fails the connect.
    std::vector<std::string> on_connect{};

    /// For each address tried, as libpq's connect_timeout (name resolution and on_connect have as
    /// much again). > 0.
    std::chrono::milliseconds connect_timeout{10'000};

    /// For each operation; connection::set_timeout changes it. Of a row_stream, copy_in or copy_out: for
    /// each of its calls. Of a session: for each call, its wait included. A listener does not use it.
    /// 0: none.
    std::chrono::milliseconds query_timeout{0};

    /// How long a connection may take to become usable again after an operation was left in the
    /// middle: its deadline passed, its coroutine was cancelled, a stream was not read to the end.
    /// The server is asked to stop, what it still sends is dropped; what does not end in time is
    /// closed. 0: it is closed at once. A listener and a session do not use it.
    std::chrono::milliseconds recovery_timeout{5'000};

    backoff_limits retry{};

    /// Receives one line at a time, without a line end; called on the executor. It may close the
    /// connection. What it throws is ignored. Empty: silence.
    std::function<void(level, std::string_view)> log{};

    /// "host:port/dbname as user", for logs and errors: no password, whatever conninfo looks like.
    /// Reads the environment and the service file; never throws but for memory.
    [[nodiscard]] std::string redacted() const;
};

}  // namespace pgtally::db
