#include "../strategy.hpp"

namespace pgtally::lab {

strategy const trigger_conflict_printed{
    .name = "trigger-conflict-printed",
    .says =
        "the same with \"insert ... on conflict\", as the article prints it: a row starts with 1 for a retweet and "
        "with 0 for anything else. A message whose first action takes a retweet back shows 0 instead of -1, and "
        "stays wrong.",
    .setup = {R"(
create table counters (
  messageid bigint not null references message (messageid),
  rts       bigint,
  unique (messageid)
);
create function tg_update_counters() returns trigger language plpgsql as $$
begin
  insert into counters (messageid, rts)
  values (new.messageid, case new.action when 'rt' then 1 else 0 end)
      on conflict (messageid) do update
     set rts = counters.rts + case new.action when 'rt' then 1 when 'de-rt' then -1 else 0 end;
  return null;
end
$$;)",
              summary_trigger},
    .retweet = insert_retweet,
    .counters = summary_counters,
};

}  // namespace pgtally::lab
