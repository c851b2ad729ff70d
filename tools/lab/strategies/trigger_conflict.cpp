#include "../strategy.hpp"

namespace pgtally::lab {

strategy const trigger_conflict{
    .name = "trigger-conflict",
    .says =
        "corrected: the row starts with the value that would be added to it. Exact; all retweets of a message still "
        "wait for one row.",
    .setup = {summary_table, R"(
create function tg_update_counters() returns trigger language plpgsql as $$
begin
  insert into counters (messageid, rts)
  values (new.messageid, case new.action when 'rt' then 1 when 'de-rt' then -1 else 0 end)
      on conflict (messageid) do update set rts = counters.rts + excluded.rts;
  return null;
end
$$;)",
              summary_trigger},
    .retweet = insert_retweet,
    .counters = summary_counters,
};

}  // namespace pgtally::lab
