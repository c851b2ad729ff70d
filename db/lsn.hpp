#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pgtally::db {

/// A position in the WAL of a cluster (PostgreSQL manual, "pg_lsn Type"). Positions are ordered by value; they compare
/// within one timeline of one cluster. 0: none.
enum class lsn : std::uint64_t {};

/// "16/B374D848", as PostgreSQL prints it.
[[nodiscard]] std::string to_string(lsn position);

/// Reads what to_string() and PostgreSQL print, in capital or small letters; nothing if the text is no position.
[[nodiscard]] std::optional<lsn> parse_lsn(std::string_view text) noexcept;

}  // namespace pgtally::db
