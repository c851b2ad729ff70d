#pragma once

#include <pgtally/db/error.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

namespace pgtally::db {

/// The process id of a server's backend; 0: none.
enum class backend_pid : std::int32_t {};

/// A NOTIFY that arrived. The views live as long as the batch it came in.
struct notification {
    std::string_view channel{};
    std::string_view payload{};  ///< may be empty
    db::backend_pid sender{};    ///< whose transaction notified
};

/// LISTEN is committed for all channels, or a queue that grew too long was thrown away. Either way
/// what was notified before may be missed: load again. Everything notified from here on comes.
struct listening {
    std::uint64_t generation = 0;  ///< grows by one with each
};

/// The connection is lost, or cannot be made; the listener connects again by itself. What is notified
/// before the next `listening` may be missed.
struct lost {
    std::string reason{};    ///< one line, without secrets
    sqlstate state{};        ///< if the server gave the reason
    bool permanent = false;  ///< password, role, database, connection string: waiting does not cure it
};

using event = std::variant<notification, listening, lost>;

}  // namespace pgtally::db
