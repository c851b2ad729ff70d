#pragma once

// What an error of the database is the reason of, in a form that may be public. Its text has a remedy: see explain.hpp.

#include <pgtally/cache/reason.hpp>
#include <pgtally/db/error.hpp>
#include <pgtally/db/event.hpp>

namespace pgtally {

// The kind of an error of the connection; `otherwise` if the error concerns a statement.
cache::reason::kind kind_of(db::error const& e, cache::reason::kind otherwise);

cache::reason database_reason(db::error const& e, cache::reason::kind otherwise);

// The reason of a listener's loss.
cache::reason database_reason(db::lost const& e);

}  // namespace pgtally
