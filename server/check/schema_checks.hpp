#pragma once

#include <pgtally/server/check/examination.hpp>
#include <pgtally/server/check/schema_questions.hpp>

#include <optional>

namespace pgtally::server {

// The checks of the schema, and of the tallies in it.

// Whether the schema is there, whose it is, its version, and whether it can be asked. Nothing if it cannot.
asio::awaitable<std::optional<schema_access>> check_schema(db::connection& connection, examination& out);

// What the schema knows: of each tally by its catalogs and by trying, and the rights that this role lacks for serving.
asio::awaitable<void> check_tallies(db::connection& connection, schema_access const& access, examination& out);

}  // namespace pgtally::server
