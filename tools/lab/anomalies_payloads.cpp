#include "anomalies.hpp"
#include "article_keeper.hpp"
#include "ear.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace pgtally::lab {
namespace {

constexpr char const* article_channel = "pgtally_lab.activity";

struct heard {
    std::vector<std::string> by_article{};
    std::vector<std::string> by_tally{};
};

void enter(table& into, char const* by, std::vector<std::string> const& payloads)
{
    for (auto const& one : payloads) into.add({words(by), words(one)});
}

}  // namespace

asio::awaitable<section> payloads(laboratory& lab, std::int64_t message)
{
    co_await lab.reset(message, 1);
    co_await lab.director().script(std::string(article_keeper::setup) + anomalies_tally);

    auto const all = std::make_shared<heard>();
    // Channel "tally" carries the events of all tallies of the database and the barriers of servers.
    auto hear = [all](std::string_view channel, std::string_view payload) {
        if (channel == article_channel) all->by_article.emplace_back(payload);
        else if (payload.starts_with(R"({"t":"pgtally_lab")") && payload.find(R"("d":)") != payload.npos)
            all->by_tally.emplace_back(payload);
    };
    std::vector<std::string> channels(1, article_channel);
    channels.emplace_back("tally");
    ear listener(lab, std::move(channels), std::move(hear));
    co_await listener.listen();
    co_await lab.director().query(
        "insert into activity (messageid, action)"
        " values ($1, 'rt'), ($1, 'rt'), ($1, 'de-rt'), ($1, 'fav'), ($1, 'fav'), ($1, 'fav'), ($1, 'de-fav')",
        message);
    co_await listener.catch_up();

    section found{"seven actions in one insert, and what is notified, PostgreSQL " + lab.server_version(),
                  table({{"by", "by"}, {"payload", "payload"}})};
    enter(found.data, "the articles' trigger", all->by_article);
    enter(found.data, "pgtally", all->by_tally);
    found.says.emplace_back(
        "The actions are rt, rt, de-rt, fav, fav, fav, de-fav: 1 retweet and 2 favourites. The articles' trigger "
        "sends seven notifications. Three of them repeat a payload of the same transaction, so four are delivered, "
        "and they add up to 0 and 0. pgtally's trigger sends one event with the statement's sums, in the order of "
        "the tally's counters.");
    co_return found;
}

}  // namespace pgtally::lab
