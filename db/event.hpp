#pragma once

#include <pgtally/db/error.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

namespace pgtally::db {

/// The process ID of a server backend; 0: none.
enum class backend_pid : std::int32_t {};

/// A notification (NOTIFY) that arrived.
///
/// *Lifetime*: the views are valid as long as the batch that contains them.
struct notification {
    std::string_view channel{};
    std::string_view payload{};  ///< may be empty
    db::backend_pid sender{};    ///< the backend whose transaction sent it
};

/// LISTEN is committed for all channels, or an overfull queue was discarded. In both cases earlier notifications
/// may be missing: load again. Every later notification is delivered.
struct listening {
    std::uint64_t generation = 0;  ///< grows by one with each `listening`
};

/// The connection is lost or cannot be opened. The listener or wal_stream reconnects by itself. What is sent before
/// the next `listening` or `streaming` may be missing.
struct lost {
    std::string reason{};       ///< one line, without secrets
    error_code code{};          ///< empty if reconnect() was called
    sqlstate state{};           ///< empty if the server gave no reason
    bool permanent = false;     ///< a retry does not help: the connection string, role, password or server is wrong
    std::string_view remedy{};  ///< what an operator can do, as remedy_of(); static text, empty if there is none
};

using event = std::variant<notification, listening, lost>;

}  // namespace pgtally::db
