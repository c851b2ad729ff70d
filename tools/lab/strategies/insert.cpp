#include "../strategy.hpp"

namespace pgtally::lab {

strategy const insert{
    .name = "insert",
    .says =
        "a row for each retweet, counted when it is read: no writer waits for another one, and each reader pays for "
        "all rows.",
    .setup = {counting_view},
    .retweet = insert_retweet,
    .counters = counting_counters,
};

}  // namespace pgtally::lab
