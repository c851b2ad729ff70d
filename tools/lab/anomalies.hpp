#pragma once

#include "laboratory.hpp"
#include "report.hpp"

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <vector>

namespace pgtally::lab {

/// The parts of the experiment `anomalies`, a file each. Each begins with a laboratory::reset(); schema tally is there.
/// Their table first, then what it was made of.

/// Two sessions retweet one message at the same time: the race of update-or-insert, and the lost update. Messages from
/// `first` on.
asio::awaitable<std::vector<section>> writers_anomalies(laboratory& lab, std::int64_t first);

/// What the articles' service counts wrongly, beside a replica that lives through the very same.
asio::awaitable<std::vector<section>> service_anomalies(laboratory& lab, std::int64_t first);

/// What one statement with seven actions notifies, by the articles' trigger and by a tally.
asio::awaitable<section> payloads(laboratory& lab, std::int64_t message);

/// The tally of all three.
inline constexpr char const* anomalies_tally = R"(
select tally.create_tally(
  name     => 'pgtally_lab',
  source   => 'pgtally_lab.activity',
  key      => 'messageid',
  counters => $${"rts":  "case action when 'rt'  then 1 when 'de-rt'  then -1 end",
                 "favs": "case action when 'fav' then 1 when 'de-fav' then -1 end"}$$);)";

}  // namespace pgtally::lab
