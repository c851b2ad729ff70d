#include "anomalies.hpp"
#include "own_replica.hpp"
#include "prompts.hpp"

#include <array>
#include <optional>
#include <string>
#include <utility>

namespace pgtally::lab {
namespace {

// Two sessions retweet the same message. Each first sends `looks`, then `writes`.
struct race {
    char const* name;
    char const* setup;
    std::string looks;    ///< sent by both sessions before either writes
    std::string writes;   ///< sent by A, then by B
    bool b_waits;         ///< B waits until A commits
    std::string counter;  ///< rows of one column: the stored counter
    char const* says;
};

std::array<race, 4> races_of(std::int64_t first)
{
    auto const id = [&](int place) { return std::to_string(first + place); };
    auto const update = [](std::string const& which) {
        return "update counters set rts = rts + 1 where messageid = " + which;
    };
    auto const insert = [](std::string const& which) { return "insert into counters values (" + which + ", 1)"; };
    auto const stored = [](std::string const& which) { return "select rts from counters where messageid = " + which; };
    auto const read = [](std::string const& which) { return "select rts from message where messageid = " + which; };
    auto const write = [](std::string const& which, char const* value) {
        return std::string("update message set rts = ") + value + " where messageid = " + which;
    };
    constexpr auto with = "create table counters (messageid bigint primary key, rts bigint not null)";
    constexpr auto without = "drop table counters; create table counters (messageid bigint, rts bigint not null)";
    return {
        {{"update, else insert: unique", with, update(id(0)), insert(id(0)), true, stored(id(0)),
          "Both updates find no row, so both insert. The second insert waits for the first, and fails when that has "
          "committed: the retweet is lost unless its client retries."},
         {"update, else insert: not unique", without, update(id(1)), insert(id(1)), false, stored(id(1)),
          "The same without the constraint: both inserts succeed, and the message has two rows. A client that reads "
          "one of them sees half; the next update adds to both rows, and counts twice from then on."},
         {"read, add, write", "", read(id(2)), write(id(2), "1"), true, read(id(2)),
          "Both clients read 0 and write 1: no statement fails, and one retweet is lost. Transactions do not help "
          "under read committed."},
         {"rts = rts + 1", "", read(id(3)), write(id(3), "rts + 1"), true, read(id(3)),
          "For comparison: the database adds. The second update waits, finds the new row and adds to it. The counter "
          "is exact, and the writers queue."}}};
}

struct played {
    std::vector<step> steps{};
    std::int64_t acknowledged = 0;
    std::string answer_of_b{};  ///< to its write
};

asio::awaitable<played> play(laboratory& lab, race of)
{
    if (*of.setup != '\0') co_await lab.director().script(of.setup);
    two_prompts both(lab);
    co_await both.connect();
    co_await both.say(prompt::a, "begin");
    co_await both.say(prompt::b, "begin");
    co_await both.say(prompt::a, of.looks);
    co_await both.say(prompt::b, of.looks);
    co_await both.say(prompt::a, of.writes);
    played done;
    if (of.b_waits) {
        co_await both.say_while_b_waits(of.writes, "commit");
        done.answer_of_b = both.last_answer(prompt::b);
    } else {
        co_await both.say(prompt::b, of.writes);
        done.answer_of_b = both.last_answer(prompt::b);
        co_await both.say(prompt::a, "commit");
    }
    co_await both.say(prompt::b, "commit");
    for (std::size_t i = 0; i < 2; ++i)
        if (both.last_answer(i == 0 ? prompt::a : prompt::b) == "COMMIT") ++done.acknowledged;
    done.steps = both.steps();
    co_return done;
}

// With a tally, both sessions insert at the same time, and neither waits.
asio::awaitable<played> play_tally(laboratory& lab, std::int64_t messageid)
{
    auto const insert = "insert into activity (messageid, action) values (" + std::to_string(messageid) + ", 'rt')";
    two_prompts both(lab);
    co_await both.connect();
    co_await both.say(prompt::a, "begin");
    co_await both.say(prompt::b, "begin");
    co_await both.say(prompt::a, insert);
    co_await both.say(prompt::b, insert);
    co_await both.say(prompt::a, "commit");
    co_await both.say(prompt::b, "commit");
    played done;
    done.steps = both.steps();
    co_return done;
}

// "1" or "1 and 1", and the number that a reader of one row gets.
asio::awaitable<cell> stored(laboratory& lab, std::string sql)
{
    auto const rows = co_await lab.director().query_as<std::int64_t>(sql);
    boost::json::array values;
    std::string text;
    for (auto const value : rows) {
        values.push_back(value);
        text += (text.empty() ? "" : " and ") + std::to_string(value);
    }
    cell both{std::move(values), std::move(text)};
    co_return both;
}

table empty_table()
{
    return table({{"each session does", "case"},
                  {"retweets", "retweets", align::right},
                  {"acknowledged", "acknowledged", align::right},
                  {"B is answered", "answer_of_b"},
                  {"stored", "stored", align::right},
                  {"pgtally", "pgtally", align::right}});
}

}  // namespace

asio::awaitable<std::vector<section>> writers_anomalies(laboratory& lab, std::int64_t first)
{
    auto const races = races_of(first);
    co_await lab.reset(first, races.size());
    co_await lab.director().script(anomalies_tally);
    own_replica ours(lab);
    ours.start();
    co_await ours.until_live();

    std::vector<section> all;
    all.push_back(
        {"two sessions retweet one message at the same time, PostgreSQL " + lab.server_version(), empty_table()});
    all.front().says.emplace_back(
        "\"stored\" are the rows of the counter after 2 retweets. pgtally is the answer of a replica after two "
        "sessions inserted one retweet each into activity at the same time, as the last walk shows.");
    std::vector<step> last;
    for (std::size_t i = 0; i < races.size(); ++i) {
        auto const messageid = first + static_cast<std::int64_t>(i);
        auto const& now = races[i];
        auto const done = co_await play(lab, now);
        auto by_tally = co_await play_tally(lab, messageid);
        co_await ours.catch_up();
        auto is = co_await stored(lab, now.counter);
        std::vector<cell> row;
        row.push_back(words(now.name));
        row.push_back(number(2));
        row.push_back(number(done.acknowledged));
        row.push_back(words(done.answer_of_b));
        row.push_back(std::move(is));
        row.push_back(number(ours.rts(messageid)));
        all.front().data.add(std::move(row));
        all.front().says.push_back(std::string(now.name) + ": " + now.says);
        section walked{now.name, to_table(done.steps)};
        walked.steps = done.steps;
        all.push_back(std::move(walked));
        last = std::move(by_tally.steps);
    }
    section ours_walked{"pgtally: an insert each", to_table(last)};
    ours_walked.steps = std::move(last);
    all.push_back(std::move(ours_walked));
    co_return all;
}

}  // namespace pgtally::lab
