#include "article_keeper.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace pgtally::lab {

// Not the article's channel, because a service of the article may listen to it.
char const* const article_keeper::setup = R"(
create view message_with_counters as
  select messageid,
         count(*) filter (where action = 'rt') - count(*) filter (where action = 'de-rt') as rts,
         count(*) filter (where action = 'fav') - count(*) filter (where action = 'de-fav') as favs
    from activity
   group by messageid;
create table counters (
  messageid bigint primary key references message (messageid),
  rts       bigint not null,
  favs      bigint not null
);
create function tg_notify_counters() returns trigger language plpgsql as $$
declare
  rts constant integer := case new.action when 'rt' then 1 when 'de-rt' then -1 else 0 end;
  favs constant integer := case new.action when 'fav' then 1 when 'de-fav' then -1 else 0 end;
begin
  perform pg_notify(tg_argv[0], json_build_object('messageid', new.messageid, 'rts', rts, 'favs', favs)::text);
  return null;
end
$$;
create trigger notify_counters after insert on activity
  for each row execute function tg_notify_counters('pgtally_lab.activity');)";

void article_keeper::books::enter(std::string_view payload)
{
    if (!loaded) {
        waiting.emplace_back(payload);
        return;
    }
    auto const change = boost::json::parse({payload.data(), payload.size()});
    auto const messageid = change.at("messageid").as_int64();
    for (auto* book : {&answers, &gathered}) {
        (*book)[messageid].rts += change.at("rts").as_int64();
        (*book)[messageid].favs += change.at("favs").as_int64();
    }
}

void article_keeper::books::begin(ledger read)
{
    gathered = read;
    answers = std::move(read);
    loaded = true;
    for (auto const& payload : std::exchange(waiting, {})) enter(payload);
}

asio::awaitable<void> article_keeper::listen()
{
    auto enter = [books = books_](std::string_view, std::string_view payload) { books->enter(payload); };
    std::vector<std::string> channels(1, "pgtally_lab.activity");
    ear_.emplace(lab_, std::move(channels), std::move(enter));
    co_await ear_->listen();
}

asio::awaitable<void> article_keeper::load()
{
    using row = std::tuple<std::int64_t, std::int64_t, std::int64_t>;
    auto const found = co_await lab_.director().query_as<row>("select messageid, rts, favs from message_with_counters");
    ledger read;
    for (auto const& [messageid, rts, favs] : found) {
        read[messageid].rts = rts;
        read[messageid].favs = favs;
    }
    books_->begin(std::move(read));
}

asio::awaitable<void> article_keeper::materialize()
{
    auto const gathered = std::exchange(books_->gathered, {});
    for (auto const& [messageid, change] : gathered) {
        co_await lab_.director().query(
            "insert into counters (messageid, rts, favs) values ($1, $2, $3) on conflict (messageid)"
            " do update set rts = counters.rts + excluded.rts, favs = counters.favs + excluded.favs",
            messageid, change.rts, change.favs);
    }
}

std::int64_t article_keeper::rts(std::int64_t messageid) const
{
    auto const found = books_->answers.find(messageid);
    return found == books_->answers.end() ? 0 : found->second.rts;
}

}  // namespace pgtally::lab
