#pragma once

#include <pgtally/db/error.hpp>

#include <string_view>

namespace pgtally::db::detail {

/// What libpq itself says about a connection that could not be opened.
struct client_failure_kind {
    error_code code;
    std::string_view remedy;  ///< static text; empty if there is none
};

/// Classifies a failure without a SQLSTATE by libpq's words. libpq gives such failures no code, and reveals them in no
/// other way, so this is the only place that reads its messages. If nothing fits, the failure is connect_failed, which
/// is retried; so is every failure in a program that has libpq translate its messages (setlocale).
client_failure_kind client_failure(std::string_view message) noexcept;

/// Also the remedy for SQLSTATE 25006.
inline constexpr std::string_view standby_remedy =
    "it is a standby, or read only by default: name the primary, or several hosts with "
    "target_session_attrs=read-write; a role or database that is read only: reset its default_transaction_read_only";

}  // namespace pgtally::db::detail
