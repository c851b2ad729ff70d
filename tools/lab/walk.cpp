#include "experiments.hpp"
#include "isolation_levels.hpp"
#include "prompts.hpp"

#include <string>
#include <utility>

namespace pgtally::lab {
namespace {

// The number is part of the text, as at a prompt.
std::string update_of(std::int64_t messageid)
{
    return "update message set rts = rts + 1 where messageid = " + std::to_string(messageid) +
           " returning messageid, rts";
}

asio::awaitable<std::vector<step>> walk_level(laboratory& lab, isolation_level level, std::int64_t messageid)
{
    co_await lab.reset(messageid, 1);
    co_await lab.director().query("update message set rts = 1 where messageid = $1", messageid);
    two_prompts both(lab);
    co_await both.connect();
    auto const begin = "begin isolation level " + std::string(level.name);
    co_await both.say(prompt::a, begin);
    co_await both.say(prompt::b, begin);
    co_await both.say(prompt::a, update_of(messageid));
    co_await both.say_while_b_waits(update_of(messageid), "commit");
    co_await both.say(prompt::b, "commit");
    co_return both.steps();
}

std::string explained(db::isolation level)
{
    if (level == db::isolation::read_committed)
        return "B waited for A's commit, read the row again, found 2 and wrote 3: both retweets count.";
    return "B's snapshot is older than A's commit, so it does not see the row version that it would have to change. "
           "The update fails, and COMMIT answers ROLLBACK: B's retweet counts only if B retries.";
}

}  // namespace

asio::awaitable<report> walk(laboratory& lab, walk_options chosen)
{
    report found{"isolation --walk"};
    found.settings["server_version"] = lab.server_version();
    found.settings["message"] = chosen.message;
    for (auto const& level : isolation_levels()) {
        auto steps = co_await walk_level(lab, level, chosen.message);
        section one{std::string(level.name) + ", the message has 1 retweet, PostgreSQL " + lab.server_version(),
                    to_table(steps)};
        one.says.push_back(explained(level.value));
        one.steps = std::move(steps);
        found.sections.push_back(std::move(one));
    }
    co_return found;
}

}  // namespace pgtally::lab
