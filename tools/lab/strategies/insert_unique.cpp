#include "../strategy.hpp"

namespace pgtally::lab {

strategy const insert_unique{
    .name = "insert-unique",
    .says =
        "the same with the articles' first constraint, unique by message, time and action: two retweets that begin "
        "in the same microsecond count as one, and the second fails with 23505. The counter is right for "
        "acknowledged retweets; the others are lost unless the application retries.",
    .setup = {"alter table activity add unique (messageid, datetime, action);", counting_view},
    .retweet = insert_retweet,
    .counters = counting_counters,
};

}  // namespace pgtally::lab
