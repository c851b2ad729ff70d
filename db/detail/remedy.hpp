#pragma once

#include <pgtally/db/error.hpp>

namespace pgtally::db::detail {

/// True if the server, or what is before it, refuses to replicate until an operator changes something.
[[nodiscard]] bool refuses_replication(error const& failure) noexcept;

}  // namespace pgtally::db::detail
