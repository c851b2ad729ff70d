#include "../strategy.hpp"

namespace pgtally::lab {

strategy const pgtally_wal{
    .name = "pgtally-wal",
    .says =
        "the same tally with transport wal: its triggers write the sums into the WAL, from which PostgreSQL decodes "
        "them for the replica. Nothing is waited for: neither a row nor another commit, and commits share a flush. "
        "The server needs wal_level = logical, a replication slot and a WAL sender.",
    .setup = {R"(
select tally.create_tally(
  name      => 'pgtally_lab',
  source    => 'pgtally_lab.activity',
  key       => 'messageid',
  counters  => $${"rts": "case action when 'rt' then 1 when 'de-rt' then -1 end"}$$,
  transport => 'wal'))"},
    .retweet = insert_retweet,
    .keeper = keeper_kind::replica,
    .may_be_absent = true,
};

}  // namespace pgtally::lab
