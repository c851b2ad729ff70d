#include "../strategy.hpp"

namespace pgtally::lab {

strategy const insert{
    .name = "insert",
    .says =
        "a row for each retweet, counted by whoever reads: no writer waits for another one, and each reader pays for "
        "all rows.",
    .setup = R"(
create view message_with_counters as
  select messageid,
         count(*) filter (where action = 'rt') - count(*) filter (where action = 'de-rt') as rts
    from activity
   group by messageid)",
    .retweet = insert_retweet,
    .counters = "select messageid, rts from message_with_counters",
};

}  // namespace pgtally::lab
