#include "prompts.hpp"

#include "crew.hpp"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <cstdint>
#include <tuple>
#include <utility>

namespace pgtally::lab {
namespace {

using namespace std::chrono_literals;

constexpr auto patience = 30s;
constexpr auto between_looks = 5ms;

// The lock that backend $1 waits for, and whether backend $2 blocks it.
constexpr char const* locks_sql = R"(
select l.locktype, l.mode, $2::int = any (pg_blocking_pids($1::int))
  from pg_locks l
 where l.pid = $1::int and not l.granted)";

std::string shown_answer(db::outcome<db::result_set> const& answer)
{
    if (!answer)
        return "ERROR " + std::string(answer.error().state().view()) + ": " + std::string(answer.error().primary());
    if (answer->empty()) return std::string(answer->tag());
    std::string all;
    for (std::size_t row = 0; row < answer->size(); ++row) {
        if (row > 0) all += "; ";
        for (std::size_t column = 0; column < answer->columns(); ++column) {
            if (column > 0) all += ", ";
            all += std::string(answer->name(column)) + ' ' + std::string(answer->text(row, column));
        }
    }
    return all;
}

}  // namespace

two_prompts::two_prompts(laboratory& in) : lab_(in), a_(in.executor()), b_(in.executor()) {}

asio::awaitable<void> two_prompts::connect()
{
    auto settings = lab_.worker_settings();
    co_await a_.connect(settings);
    co_await b_.connect(settings);
}

std::string const& two_prompts::last_answer(prompt where) const noexcept
{
    return where == prompt::a ? last_of_a_ : last_of_b_;
}

void two_prompts::answer(prompt where, db::outcome<db::result_set> const& said)
{
    auto& last = where == prompt::a ? last_of_a_ : last_of_b_;
    last = shown_answer(said);
    steps_.push_back({where, step::kind::answered, last});
}

asio::awaitable<db::outcome<db::result_set>> two_prompts::ask(prompt where, std::string sql)
{
    auto& who = where == prompt::a ? a_ : b_;
    auto said = co_await db::attempt(who.query(std::move(sql)));
    if (!said && said.error().code() != db::errc::server_error) throw said.error();
    co_return said;
}

asio::awaitable<void> two_prompts::say(prompt where, std::string sql)
{
    steps_.push_back({where, step::kind::types, sql});
    auto const said = co_await ask(where, std::move(sql));
    answer(where, said);
}

asio::awaitable<void> two_prompts::ask_b(std::string sql)
{
    auto said = co_await ask(prompt::b, std::move(sql));
    waited_for_.emplace(std::move(said));
}

asio::awaitable<void> two_prompts::see_b_wait(std::string then_of_a)
{
    asio::steady_timer timer(lab_.executor());
    auto const until = std::chrono::steady_clock::now() + patience;
    auto const waiting = static_cast<std::int32_t>(b_.backend_pid());
    auto const holding = static_cast<std::int32_t>(a_.backend_pid());
    using lock = std::tuple<std::string, std::string, bool>;
    for (;;) {
        auto const found = co_await lab_.director().query_as<lock>(locks_sql, waiting, holding);
        if (!found.empty()) {
            auto const [type, mode, by_a] = found[0];
            if (by_a) {
                auto what = "waits: " + mode + " on a " + type + " that session A holds (pg_locks)";
                steps_.push_back({prompt::b, step::kind::waits, std::move(what)});
                break;
            }
        }
        if (std::chrono::steady_clock::now() > until) throw refused("session B did not wait for session A within 30 s");
        timer.expires_after(between_looks);
        co_await timer.async_wait(asio::use_awaitable);
    }
    co_await say(prompt::a, std::move(then_of_a));
}

asio::awaitable<void> two_prompts::say_while_b_waits(std::string of_b, std::string of_a)
{
    steps_.push_back({prompt::b, step::kind::types, of_b});
    waited_for_.reset();
    std::vector<asio::awaitable<void>> both;
    both.push_back(ask_b(std::move(of_b)));
    both.push_back(see_b_wait(std::move(of_a)));
    co_await all(std::move(both));
    answer(prompt::b, *waited_for_);
}

}  // namespace pgtally::lab
