#include "../strategy.hpp"

namespace pgtally::lab {

strategy const insert_unique{
    .name = "insert-unique",
    .says =
        "the same with the articles' first constraint, unique by message, time and action: two retweets that begin in "
        "the same microsecond are taken for one, and the second fails with 23505. The counter is right about those "
        "that were acknowledged; the others are lost unless the application tries again.",
    .setup = {"alter table activity add unique (messageid, datetime, action);", counting_view},
    .retweet = insert_retweet,
    .counters = counting_counters,
};

}  // namespace pgtally::lab
