#include "../strategy.hpp"

namespace pgtally::lab {

// Not the article's channel, because a service of the article may listen to it.
strategy const notify_row{
    .name = "notify-row",
    .says =
        "a trigger notifies a client of each row's change, and the client adds it up; here the lab is the client. No "
        "writer waits for a row, but a COMMIT that notifies holds a lock of the whole cluster until it is on disk, "
        "so such commits run one at a time, whatever their message. The counter lives in the client: it is exact "
        "only while the client listens from the first retweet to the last, which a real client does not.",
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
