#pragma once

#include <pgtally/cache/subscription.hpp>
#include <pgtally/cache/tally.hpp>
#include <pgtally/server/base/audience.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace pgtally::server {

// The JSON members that answers and messages have in common.

// Appends {"rts":2,"favs":1}.
void append_counters(std::string& out, std::vector<std::string> const& names, std::span<std::int64_t const> values);
void append_counters(std::string& out, std::vector<std::string> const& names, std::span<cache::wide_sum const> values);

// Appends "state":"stale","reason":"…"; without a reason, the state alone.
void append_state(std::string& out, cache::state state, std::string_view reason);

// Appends "epoch":"…","revision":17,"state":"live", and "reason" if there is one.
void append_standing(std::string& out, std::string_view epoch, std::uint64_t revision, cache::state state,
                     std::string_view reason);
void append_standing(std::string& out, cache::tally const& of, audience who);

// Appends what a snapshot or a change brings: "keys":{"33":{"rts":2,"favs":1},…}, or the answer to a question
// (answers_json.hpp). `from` produced the update.
void append_values(std::string& out, cache::update const& what, cache::subscription const& from);

}  // namespace pgtally::server
