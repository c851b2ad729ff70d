#include "../strategy.hpp"

namespace pgtally::lab {

strategy const pgtally_notify{
    .name = "pgtally",
    .says =
        "a tally with transport notify: its triggers send each statement's sums, and a replica, here embedded in the "
        "lab, holds the counters. They are exact even after a lost connection. No writer waits for a row, but "
        "commits wait for each other as with notify-row, because they notify.",
    .setup = {R"(
select tally.create_tally(
  name     => 'pgtally_lab',
  source   => 'pgtally_lab.activity',
  key      => 'messageid',
  counters => $${"rts": "case action when 'rt' then 1 when 'de-rt' then -1 end"}$$))"},
    .retweet = insert_retweet,
    .keeper = keeper_kind::replica,
};

}  // namespace pgtally::lab
