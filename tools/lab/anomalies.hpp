#pragma once

#include "laboratory.hpp"
#include "report.hpp"

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <vector>

namespace pgtally::lab {

/// The parts of the experiment `anomalies`, one file each. Each begins with laboratory::reset(). Schema tally
/// must be installed. Their first section is their own table.

/// Two sessions retweet one message at the same time: the race of update-or-insert, and the lost update. Uses
/// messages from `first` on.
asio::awaitable<std::vector<section>> writers_anomalies(laboratory& lab, std::int64_t first);

/// What the articles' service miscounts, compared with a replica in the same situation.
asio::awaitable<std::vector<section>> service_anomalies(laboratory& lab, std::int64_t first);

/// The notifications of one statement with seven actions, by the articles' trigger and by a tally.
asio::awaitable<section> payloads(laboratory& lab, std::int64_t message);

/// The tally of all three parts.
inline constexpr char const* anomalies_tally = R"(
select tally.create_tally(
  name     => 'pgtally_lab',
  source   => 'pgtally_lab.activity',
  key      => 'messageid',
  counters => $${"rts":  "case action when 'rt'  then 1 when 'de-rt'  then -1 end",
                 "favs": "case action when 'fav' then 1 when 'de-fav' then -1 end"}$$);)";

}  // namespace pgtally::lab
