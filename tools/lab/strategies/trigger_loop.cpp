#include "../strategy.hpp"

namespace pgtally::lab {

// Each iteration of the loop with an exception handler is a subtransaction.
strategy const trigger_loop{
    .name = "trigger-loop",
    .says =
        "the same, as the manual writes it for servers without \"on conflict\": if the insert fails because the row "
        "exists by then, the trigger updates again. Nothing fails any more; the waiting stays.",
    .setup = {summary_table, R"(
create function tg_update_counters() returns trigger language plpgsql as $$
declare
  change constant bigint := case new.action when 'rt' then 1 when 'de-rt' then -1 else 0 end;
begin
  loop
    update counters set rts = rts + change where messageid = new.messageid;
    exit when found;
    begin
      insert into counters (messageid, rts) values (new.messageid, change);
      exit;
    exception
      when unique_violation then null;  -- somebody else was faster: there is a row to update now
    end;
  end loop;
  return null;
end
$$;)",
              summary_trigger},
    .retweet = insert_retweet,
    .counters = summary_counters,
};

}  // namespace pgtally::lab
