#include "../strategy.hpp"

namespace pgtally::lab {

// Not the article's channel, because a service of the article may listen to it.
strategy const notify_row{
    .name = "notify-row",
    .says =
        "a trigger notifies each row's change to a client that adds it up, here the lab itself. No writer waits for a "
        "row, but a COMMIT that notifies holds one lock of the whole cluster until it is on disk: such commits go one "
        "by "
        "one, whatever message they are about. The counter lives in that client: exact while it listens from the first "
        "retweet to the last, which a real one does not.",
    .setup = {R"(
create function tg_notify_counters() returns trigger language plpgsql as $$
declare
  change constant integer := case new.action when 'rt' then 1 when 'de-rt' then -1 else 0 end;
begin
  perform pg_notify(tg_argv[0], json_build_object('messageid', new.messageid, 'rts', change)::text);
  return null;
end
$$;
create trigger notify_counters after insert on activity
  for each row execute function tg_notify_counters('pgtally_lab.activity'))"},
    .retweet = insert_retweet,
    .keeper = keeper_kind::listener,
};

}  // namespace pgtally::lab
