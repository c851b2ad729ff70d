#include "load.hpp"

#include <boost/asio/this_coro.hpp>
#include <boost/json.hpp>

#include <utility>

namespace pgtally::play {
namespace {

namespace json = boost::json;

// All of the play travels as one parameter, and each statement reads its rows from there.
constexpr char const* users_sql = R"(
  insert into tweet.users (uname)
  select (array_agg(s.speaker order by s.n))[1]
    from rows from (json_to_recordset($1::json) as (speaker text, words text))
         with ordinality as s (speaker, words, n)
   where not exists (select from tweet.users u
                      where lower(s.speaker) in (lower(u.uname), lower(u.nickname)))
   group by lower(s.speaker)
   order by min(s.n)
  returning uname)";

constexpr char const* messages_sql = R"(
  with speech as (
    select s.n, s.words, u.userid,
           row_number() over (partition by u.userid, s.words order by s.n) as nth
      from rows from (json_to_recordset($1::json) as (speaker text, words text))
           with ordinality as s (speaker, words, n)
           cross join lateral (
             select userid
               from tweet.users
              where lower(s.speaker) in (lower(uname), lower(nickname))
              order by lower(uname) = lower(s.speaker) desc, userid
              limit 1) u
  ), sent as (
    select userid, message, count(*) as times
      from tweet.message
     where message in (select words from speech)
     group by userid, message
  )
  insert into tweet.message (userid, message)
  select speech.userid, speech.words
    from speech
         left join sent on sent.userid = speech.userid and sent.message = speech.words
   where speech.nth > coalesce(sent.times, 0)
   order by speech.n)";

json::array messages_of(std::vector<speech> const& speeches)
{
    json::array all;
    for (auto const& [speakers, text] : speeches)
        for (auto const& speaker : speakers) all.push_back({{"speaker", speaker}, {"words", text}});
    return all;
}

}  // namespace

db::asio::awaitable<load_report> load(std::vector<speech> speeches, db::config settings)
{
    auto const messages = messages_of(speeches);
    auto const text = json::serialize(messages);
    load_report report;
    report.spoken = messages.size();

    // Whatever throws from here on leaves the transaction to the connection's end, which rolls it back.
    db::connection connection(co_await db::asio::this_coro::executor);
    co_await connection.connect(std::move(settings));
    co_await connection.query("begin");
    // Nobody else may send between our look and our insert; acting on messages goes on.
    co_await connection.query("lock table tweet.users, tweet.message in share row exclusive mode");
    auto const users = co_await connection.query(users_sql, text);
    for (std::size_t row = 0; row < users.size(); ++row) report.new_users.emplace_back(users.text(row, 0));
    auto const sent = co_await connection.query(messages_sql, text);
    report.sent = static_cast<std::size_t>(sent.affected());
    co_await connection.query("commit");
    co_return report;
}

}  // namespace pgtally::play
