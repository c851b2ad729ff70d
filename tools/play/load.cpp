#include "load.hpp"

#include <pgtally/db/transaction.hpp>

#include <boost/asio/this_coro.hpp>

#include <utility>

namespace pgtally::play {
namespace {

constexpr char const* messages_sql = R"(
  with there as (
    select userid, message as words, count(*) as times
      from tweet.message
     where message in (select words from line)
     group by userid, message
  )
  insert into tweet.message (userid, message)
  select line.userid, line.words
    from line left join there using (userid, words)
   where line.nth > coalesce(there.times, 0)
   order by line.n)";

}  // namespace

db::asio::awaitable<load_report> load(std::vector<speech> speeches, db::config settings, copy_progress progress)
{
    auto const lines = lines_of(speeches);
    load_report report;
    report.speeches = speeches.size();
    report.lines = lines.size();

    db::connection conn(co_await db::asio::this_coro::executor);
    co_await conn.connect(std::move(settings));
    auto tx = co_await db::begin(conn);
    report.strangers = co_await rehearse(conn, lines, std::move(progress));
    auto const sent = co_await tx.query(messages_sql);
    report.sent = static_cast<std::size_t>(sent.affected());
    co_await tx.commit();
    co_return report;
}

}  // namespace pgtally::play
