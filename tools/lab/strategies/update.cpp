#include "../strategy.hpp"

namespace pgtally::lab {

strategy const update{
    .name = "update",
    .says =
        "the counter is a column of the message, updated in place: exact, and every retweet of a message waits until "
        "the one before it has committed.",
    .retweet = "update message set rts = coalesce(rts, 0) + 1 where messageid = $1",
    .counters = "select messageid, rts from message",
    .takes_back = false,
};

}  // namespace pgtally::lab
