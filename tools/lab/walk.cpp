#include "crew.hpp"
#include "experiments.hpp"
#include "isolation_levels.hpp"

#include <pgtally/db/attempt.hpp>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace pgtally::lab {
namespace {

using namespace std::chrono_literals;

constexpr auto patience = 30s;
constexpr auto between_looks = 5ms;
constexpr std::size_t column_width = 48;

// What a backend waits for, and whose transaction that is.
constexpr char const* locks_sql = R"(
select l.locktype, l.mode, $2::int = any (pg_blocking_pids($1::int))
  from pg_locks l
 where l.pid = $1::int and not l.granted)";

enum class prompt {
    a,  ///< the one that comes first
    b,  ///< the one that has to wait
};

// A line of the walk: what is typed, or answered, at one of the two.
class page {
public:
    void type(prompt where, std::string const& text) { add(where, "types", text, "> "); }
    void answer(prompt where, std::string const& text) { add(where, "is answered", text, "  "); }
    void wait(std::string const& text) { add(prompt::b, "waits", text, "  ... "); }

    [[nodiscard]] table take() { return std::move(lines_); }

private:
    void add(prompt where, char const* what, std::string const& text, std::string const& before)
    {
        std::string shown;
        for (auto const& line : wrap(text, column_width)) shown += (shown.empty() ? before : "\n      ") + line;
        cell said{boost::json::value({{"does", what}, {"text", text}}), std::move(shown)};
        cell other{boost::json::value(nullptr), ""};
        if (where == prompt::b) std::swap(said, other);
        lines_.add({std::move(said), std::move(other)});
    }

    table lines_{{{"session A", "a"}, {"session B", "b"}}};
};

struct two_prompts {
    two_prompts(laboratory& in, std::int64_t message) : lab(in), messageid(message), a(in.executor()), b(in.executor())
    {
    }

    laboratory& lab;
    std::int64_t messageid;
    db::connection a;
    db::connection b;
    page lines{};
    std::optional<db::outcome<db::result_set>> answer_of_b{};
};

std::string shown_answer(db::outcome<db::result_set> const& answer)
{
    if (!answer)
        return "ERROR " + std::string(answer.error().state().view()) + ": " + std::string(answer.error().primary());
    if (answer->empty()) return std::string(answer->tag());
    return "messageid " + std::string(answer->text(0, 0)) + ", rts " + std::string(answer->text(0, 1));
}

// A number, so that it may stand in the statement, as at a prompt.
std::string update_of(std::int64_t messageid)
{
    return "update message set rts = rts + 1 where messageid = " + std::to_string(messageid) +
           " returning messageid, rts";
}

// What was answered that the server did not say is thrown.
asio::awaitable<db::outcome<db::result_set>> ask(db::connection& who, std::string sql)
{
    auto answer = co_await db::attempt(who.query(std::move(sql)));
    if (!answer && answer.error().code() != db::errc::server_error) throw answer.error();
    co_return answer;
}

asio::awaitable<void> say(two_prompts& of, prompt where, std::string sql)
{
    of.lines.type(where, sql);
    auto const answer = co_await ask(where == prompt::a ? of.a : of.b, std::move(sql));
    of.lines.answer(where, shown_answer(answer));
}

asio::awaitable<void> update_at_b(two_prompts& of)
{
    auto answer = co_await ask(of.b, update_of(of.messageid));
    of.answer_of_b.emplace(std::move(answer));
}

asio::awaitable<void> see_b_wait_and_commit_a(two_prompts& of)
{
    asio::steady_timer timer(of.lab.executor());
    auto const until = std::chrono::steady_clock::now() + patience;
    auto const waiting = static_cast<std::int32_t>(of.b.backend_pid());
    auto const holding = static_cast<std::int32_t>(of.a.backend_pid());
    using lock = std::tuple<std::string, std::string, bool>;
    for (;;) {
        auto const found = co_await of.lab.director().query_as<lock>(locks_sql, waiting, holding);
        if (!found.empty()) {
            auto const [type, mode, by_a] = found[0];
            if (by_a) {
                of.lines.wait("waits: " + mode + " on a " + type + " that session A holds (pg_locks)");
                break;
            }
        }
        if (std::chrono::steady_clock::now() > until) throw refused("session B did not wait for session A within 30 s");
        timer.expires_after(between_looks);
        co_await timer.async_wait(asio::use_awaitable);
    }
    co_await say(of, prompt::a, "commit");
}

asio::awaitable<table> walk_level(laboratory& lab, isolation_level level, std::int64_t messageid)
{
    co_await lab.reset(messageid, 1);
    co_await lab.director().query("update message set rts = 1 where messageid = $1", messageid);
    two_prompts of(lab, messageid);
    auto settings = lab.worker_settings();
    co_await of.a.connect(settings);
    co_await of.b.connect(settings);

    auto const begin = "begin isolation level " + std::string(level.name);
    co_await say(of, prompt::a, begin);
    co_await say(of, prompt::b, begin);
    co_await say(of, prompt::a, update_of(messageid));
    of.lines.type(prompt::b, update_of(messageid));
    std::vector<asio::awaitable<void>> both;
    both.push_back(update_at_b(of));
    both.push_back(see_b_wait_and_commit_a(of));
    co_await all(std::move(both));
    of.lines.answer(prompt::b, shown_answer(*of.answer_of_b));
    co_await say(of, prompt::b, "commit");
    co_return of.lines.take();
}

std::string explained(db::isolation level)
{
    if (level == db::isolation::read_committed)
        return "B waited for A's commit, looked at the row again, found 2 and made 3 of it: both retweets count.";
    return "B's snapshot is older than A's commit: the row that it would have to change is not the one it sees. It "
           "fails, "
           "and COMMIT answers ROLLBACK: B's retweet counts only if B begins again.";
}

}  // namespace

asio::awaitable<report> walk(laboratory& lab, walk_options chosen)
{
    report found{"isolation --walk"};
    found.settings["server_version"] = lab.server_version();
    found.settings["message"] = chosen.message;
    for (auto const& level : isolation_levels()) {
        auto lines = co_await walk_level(lab, level, chosen.message);
        section one{std::string(level.name) + ", the message has 1 retweet, PostgreSQL " + lab.server_version(),
                    std::move(lines)};
        one.says.push_back(explained(level.value));
        found.sections.push_back(std::move(one));
    }
    co_return found;
}

}  // namespace pgtally::lab
