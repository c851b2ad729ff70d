#pragma once

#include "laboratory.hpp"
#include "steps.hpp"

#include <pgtally/db/attempt.hpp>
#include <pgtally/db/connection.hpp>

#include <boost/asio/awaitable.hpp>

#include <optional>
#include <string>
#include <vector>

namespace pgtally::lab {

/// Two interactive sessions, played in step. Nothing depends on timing, because A continues only when pg_locks
/// shows that B waits. A server error is an answer; any other failure is thrown as db::error.
///
/// *Lifetime*: outlives the coroutines of its members.
class two_prompts {
public:
    explicit two_prompts(laboratory& in);

    asio::awaitable<void> connect();

    /// Sends the statement and waits for its answer.
    asio::awaitable<void> say(prompt where, std::string sql);

    /// B sends `of_b` and must wait for A. Then A sends `of_a`, after which B is answered. Throws refused if B
    /// does not wait for A within 30 s.
    asio::awaitable<void> say_while_b_waits(std::string of_b, std::string of_a);

    /// The last answer as it is shown: values by name, the command tag, or ERROR and SQLSTATE.
    [[nodiscard]] std::string const& last_answer(prompt where) const noexcept;

    [[nodiscard]] std::vector<step> const& steps() const noexcept { return steps_; }

private:
    asio::awaitable<db::outcome<db::result_set>> ask(prompt where, std::string sql);
    asio::awaitable<void> ask_b(std::string sql);
    asio::awaitable<void> see_b_wait(std::string then_of_a);
    void answer(prompt where, db::outcome<db::result_set> const& said);

    laboratory& lab_;
    db::connection a_;
    db::connection b_;
    std::vector<step> steps_{};
    std::string last_of_a_{};
    std::string last_of_b_{};
    std::optional<db::outcome<db::result_set>> waited_for_{};
};

}  // namespace pgtally::lab
