#pragma once

#include <pgtally/cache/subscription.hpp>
#include <pgtally/cache/tally.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace pgtally::server {

// The pieces that answers and messages have in common.

// {"rts":2,"favs":1}
void append_counters(std::string& out, std::vector<std::string> const& names, std::span<std::int64_t const> values);
void append_counters(std::string& out, std::vector<std::string> const& names, std::span<cache::wide_sum const> values);

// "epoch":"…","revision":17,"state":"live", and "reason" where there is one.
void append_standing(std::string& out, cache::tally const& of, std::uint64_t revision);

// "state":"stale","reason":"…"
void append_state(std::string& out, cache::tally const& of);

// "keys":{"33":{"rts":2,"favs":1},…} of what `from` has to say.
void append_keys(std::string& out, cache::update const& what, cache::subscription const& from);

}  // namespace pgtally::server
