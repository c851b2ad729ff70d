#include "../strategy.hpp"

namespace pgtally::lab {

// Update, then insert, as in the article's first trigger: its race occurs once a day.
strategy const trigger_daily{
    .name = "trigger-daily",
    .says =
        "one summary row per day for all messages, updated, else inserted: all retweets of all messages wait for "
        "that row, and the first ones of a day may fail with 23505.",
    .setup = {R"(
create table daily_counters (
  day     date primary key,
  rts     bigint not null,
  de_rts  bigint not null,
  favs    bigint not null,
  de_favs bigint not null
);
create function tg_update_daily_counters() returns trigger language plpgsql as $$
declare
  rt     constant integer := (new.action = 'rt')::integer;
  de_rt  constant integer := (new.action = 'de-rt')::integer;
  fav    constant integer := (new.action = 'fav')::integer;
  de_fav constant integer := (new.action = 'de-fav')::integer;
begin
  update daily_counters
     set rts = rts + rt, de_rts = de_rts + de_rt, favs = favs + fav, de_favs = de_favs + de_fav
   where day = current_date;
  if not found then
    insert into daily_counters (day, rts, de_rts, favs, de_favs) values (current_date, rt, de_rt, fav, de_fav);
  end if;
  return null;
end
$$;
create trigger update_daily_counters after insert on activity for each row execute function tg_update_daily_counters())"},
    .retweet = insert_retweet,
    .counters = "select null::bigint, sum(rts)::bigint from daily_counters",
    .takes_back = false,
};

}  // namespace pgtally::lab
