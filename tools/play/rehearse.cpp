#include "rehearse.hpp"

#include <pgtally/db/copy_format.hpp>

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <tuple>

namespace pgtally::play {
namespace {

constexpr std::size_t chunk_bytes = std::size_t{64} * 1024;

constexpr char const* stage_sql = R"(
  create temporary table said (n bigint, speaker text not null, words text not null) on commit drop)";

constexpr char const* users_sql = R"(
  insert into tweet.users (uname)
  select (array_agg(s.speaker order by s.n))[1]
    from said s
   where not exists (select from tweet.users u
                      where lower(s.speaker) in (lower(u.uname), lower(u.nickname)))
   group by lower(s.speaker)
   order by min(s.n)
  returning uname)";

constexpr char const* lines_sql = R"(
  create temporary table line on commit drop as
  select s.n, role.userid, s.words,
         row_number() over (partition by role.userid, s.words order by s.n) as nth
    from said s
         join (select speaker, userid
                 from (select distinct speaker from said) named
                      cross join lateral (
                        select userid
                          from tweet.users
                         where lower(named.speaker) in (lower(uname), lower(nickname))
                         order by lower(uname) = lower(named.speaker) desc, userid
                         limit 1) u) role using (speaker))";

std::string encode(std::vector<line> const& lines)
{
    using row = std::tuple<std::int64_t, std::string_view, std::string_view>;
    db::copy_encoder<row> encoder;
    std::string bytes;
    std::int64_t n = 0;
    for (auto const& [speaker, words] : lines) encoder.append(bytes, row(++n, speaker, words));
    encoder.finish(bytes);
    return bytes;
}

}  // namespace

std::vector<line> lines_of(std::vector<speech> const& speeches)
{
    std::vector<line> lines;
    for (auto const& [speakers, text] : speeches) {
        for (auto const& speaker : speakers) lines.push_back({speaker, text});
    }
    return lines;
}

db::asio::awaitable<std::vector<std::string>> rehearse(db::connection& conn, std::vector<line> const& lines,
                                                       copy_progress progress)
{
    // No other program may post between the lookup and the insert.
    co_await conn.query(lock_sql);
    co_await conn.query(stage_sql);
    auto copy = co_await conn.copy_in("copy said from stdin (format binary)");
    auto const bytes = encode(lines);
    for (std::size_t done = 0; done < bytes.size();) {
        auto const chunk = std::string_view(bytes).substr(done, chunk_bytes);
        co_await copy.write(chunk);
        done += chunk.size();
        if (progress) progress(done, bytes.size());
    }
    co_await copy.finish();

    std::vector<std::string> strangers;
    auto const made = co_await conn.query(users_sql);
    for (std::size_t row = 0; row < made.size(); ++row) strangers.emplace_back(made.text(row, 0));
    co_await conn.query(lines_sql);
    co_return strangers;
}

}  // namespace pgtally::play
