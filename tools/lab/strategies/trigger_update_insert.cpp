#include "../strategy.hpp"

namespace pgtally::lab {

// The primary key turns the race into an error; without it there would be two rows for a message.
strategy const trigger_update_insert{
    .name = "trigger-update-insert",
    .says =
        "a trigger keeps a summary row for each message: it updates, and inserts if there was no row. Two first "
        "retweets both find no row and both insert; the second one fails with 23505. Later retweets wait for each "
        "other, as with an update in place.",
    .setup = {summary_table, R"(
create function tg_update_counters() returns trigger language plpgsql as $$
declare
  change constant bigint := case new.action when 'rt' then 1 when 'de-rt' then -1 else 0 end;
begin
  update counters set rts = rts + change where messageid = new.messageid;
  if not found then
    insert into counters (messageid, rts) values (new.messageid, change);
  end if;
  return null;
end
$$;)",
              summary_trigger},
    .retweet = insert_retweet,
    .counters = summary_counters,
};

}  // namespace pgtally::lab
