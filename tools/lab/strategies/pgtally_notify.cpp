#include "../strategy.hpp"

namespace pgtally::lab {

strategy const pgtally_notify{
    .name = "pgtally",
    .says =
        "a tally with transport notify: its triggers send each statement's sums, and a replica, here one that the lab "
        "embeds, holds the counters; exact after a loss of the connection, too. No writer waits for a row, but commits "
        "wait for each other as those of notify-row do, for they notify.",
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
