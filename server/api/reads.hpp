#pragma once

#include <pgtally/cache/question.hpp>
#include <pgtally/cache/ranking.hpp>
#include <pgtally/cache/replica/replica_set.hpp>
#include <pgtally/server/api/router.hpp>
#include <pgtally/server/api/subject.hpp>
#include <pgtally/server/base/audience.hpp>
#include <pgtally/server/http/request.hpp>
#include <pgtally/server/http/response.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace pgtally::server {

// The answers that the replicas give without the database.

// Who asks, and which answer the client has already.
struct asker {
    audience who = audience::everybody;
    std::string_view if_match{}, if_none_match{};
};

// All tallies that the client may read, also those that have no counters yet. One of which it reads only some keys has no size.
response read_tallies(replica_set::tallies const& all, audience who, rights const& may);

// Tallies of which only the name is known, because the definitions could not be read yet. `trouble` says why, if it is
// not empty.
response read_unknown_tallies(std::vector<std::string> const& names, cache::state state, std::string_view trouble,
                              rights const& may);

// One tally, with its sums.
response read_tally(cache::tally const& of, asker const& by);

// The counters of one key, or of many. Preconditions: `unusable_key` accepts the keys.
response read_key(cache::tally const& of, std::string const& key, asker const& by);
response read_keys(cache::tally const& of, std::vector<std::string> const& keys, asker const& by);

// What a request for a tally, a key, keys, a top or a rank reads. If its keys are not ranked yet: 503.
response read_now(request const& asked, cache::tally& of, route const& where, subject const& what);

// A revision since which a subject is unchanged.
std::uint64_t newest_change(cache::tally& of, subject const& what);

// The answer to a client that has everything up to this position, and asked for what changed after it: nothing did.
response read_unchanged(cache::since_point const& since);

// The complete ranking of a tally that a top or a rank needs, or null. It begins to be made if there is none.
cache::ranking const* ranking_for(cache::tally& of, cache::question const& about);

// The first keys by a counter, or the place of a key and its neighbours.
//
// Preconditions: `wanted_question` accepts the question, and the tally has its ranking.
response read_answer(cache::tally& of, cache::question const& about, asker const& by);

// The same answers from counters that the database returned.
response database_key(cache::tally const& of, std::string const& key, std::vector<std::int64_t> const& counters);
response database_keys(cache::tally const& of, std::vector<std::string> const& keys,
                       std::vector<std::vector<std::int64_t>> const& counters);

// Why the preconditions of a request about a key do not hold: 412; status 200 if they do.
response refuse_unless_holds(cache::tally const& of, std::string const& key, asker const& by);

// Why a tally cannot be read, and why a key cannot be one of its keys; status 200 if it can.
response unreadable(cache::tally const& of, audience who);
response unusable_key(cache::tally const& of, std::string_view key);

}  // namespace pgtally::server
