#pragma once

// What the reasons of states and the log say about an error of the database: what failed, why, and what to do.

#include <pgtally/db/error.hpp>

#include <string>
#include <string_view>

namespace pgtally {

// What an operator can do about an error of a session of pgtally, to begin a sentence; empty if there is no advice.
std::string_view remedy_for(db::error const& e) noexcept;

// "what failed: why (SQLSTATE); remedy". If the schema is not installed, only that, and the remedy.
std::string explain(db::error const& e);

// Adds a remedy, unless it is empty or the text has it already, because a failure may quote another one.
std::string with_remedy(std::string failure, std::string_view remedy);

}  // namespace pgtally
