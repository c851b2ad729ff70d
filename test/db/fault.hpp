#pragma once

#include <pgtally/db/connection.hpp>
#include <pgtally/test/db/fixture.hpp>
#include <pgtally/test/support/step_proxy.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <cstddef>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pgtally::test {

/// How often rows of a token may be in the table `ledger` at the end. Checked for all trials together, when none
/// of their backends is left.
using ledger_claims = std::map<std::string, std::set<int>>;

/// How a trial's connections carry PostgreSQL's messages. Over TLS a step is a record, which may have several messages.
enum class wire { plain, tls };

/// The steps in one line, repetitions written once: "C:P S:S x13".
[[nodiscard]] std::string shortened(std::vector<std::string> const& steps);

/// One run of a scenario, through its own proxy, with one fault.
class trial {
public:
    /// The application_name of their connections.
    static constexpr char const* application = "faults";

    trial(asio::any_io_executor on, fault_plan plan, int number, std::shared_ptr<ledger_claims> claims,
          wire over = wire::plain);

    /// Connects through the proxy. For a stall the deadlines are short, because they end it. For other faults
    /// they are so long that a trial that reaches one counts as hanging. Over TLS the server's name is verified.
    [[nodiscard]] db::config settings() const;
    [[nodiscard]] db::config settings(std::string conninfo) const;
    /// The same with long deadlines.
    [[nodiscard]] db::config patient_settings() const;
    [[nodiscard]] std::string port() const { return std::to_string(proxy.port()); }

    /// True if the fault must not be noticeable.
    [[nodiscard]] bool harmless() const;
    [[nodiscard]] bool stalls() const { return plan.what == fault::stall; }

    /// Fails the test and says which fault it was, and where.
    void check(bool ok, std::string_view what) const;
    /// True if an operation may fail like this with this fault: never if the fault is harmless, with a deadline
    /// only if it stalls, never permanently.
    [[nodiscard]] bool may_fail(db::error const& failure, std::initializer_list<db::errc> allowed) const;
    void check_failure(db::error const& failure, std::initializer_list<db::errc> allowed);

    /// A text that no other trial uses.
    [[nodiscard]] std::string token(int which = 0) const;
    void claim(std::string const& of, std::set<int> counts) { (*claims)[of] = std::move(counts); }

    /// "cut at S:D (step 17) of connection 1: C:startup S:R S:S x13 ..."
    [[nodiscard]] std::string described() const;

    asio::any_io_executor executor;
    fault_plan plan;
    int number;
    std::shared_ptr<ledger_claims> claims;
    wire over;
    mutable step_proxy proxy;
    std::size_t failures = 0;  ///< errors seen
};

/// A scenario uses the proxy and checks the outcome: the answer is right, or the error is a documented one; then
/// the object is usable again.
using scenario = std::function<asio::awaitable<void>(trial&)>;

struct fault_options {
    std::vector<fault> faults{
        fault::cut,   fault::cut_in_the_middle, fault::half_close_client, fault::half_close_server,
        fault::stall, fault::stall_then_pass};
    enum class part {
        all,
        login,        ///< up to the first ReadyForQuery
        after_login,  ///< the steps after that
    };
    part of = part::all;
    /// If there are more steps, that many of them, evenly distributed.
    std::size_t most_steps = 60;
    /// The steps differ between runs: a fault may find no step at which to happen.
    bool steps_vary = false;
    std::size_t connection = 1;
    std::size_t at_once = 8;
};

inline fault_options after_login()
{
    fault_options options;
    options.of = fault_options::part::after_login;
    return options;
}

/// Runs a scenario without a fault, with trickling bytes, and then with each fault at each step that was seen; all
/// this in plain text, and then over TLS. Fails the test if a trial hangs, if no fault was ever noticed, or if a
/// trial's check fails. There is a table `ledger (token text not null, filler text)`.
void for_each_fault(scenario const& of, fault_options const& options = fault_options());

/// Returns the result of an operation, or nothing if it failed. An error must be one that a broken connection may
/// give, or one of `also`, and must leave the connection closed; a deadline may leave it open.
template <class T>
asio::awaitable<std::optional<T>> result_of(trial& it, db::connection& conn, asio::awaitable<T> operation,
                                            db::errc also = db::errc::connection_lost)
{
    std::optional<T> result;
    try {
        result = co_await std::move(operation);
    } catch (db::error const& failure) {
        it.check_failure(failure, {db::errc::connection_lost, db::errc::timed_out, also});
        auto const late = failure.code() == db::errc::timed_out;
        it.check(late || !conn.is_open(), "open after it was lost");
    }
    co_return result;
}

/// Polls every millisecond, so that many trials can wait concurrently.
template <class Condition>
asio::awaitable<void> until(asio::any_io_executor executor, Condition condition)
{
    asio::steady_timer again(executor);
    while (!condition()) {
        again.expires_after(std::chrono::milliseconds{1});
        co_await again.async_wait(asio::use_awaitable);
    }
}

/// Checks that a connection is usable after connect(), whether it had failed or not.
asio::awaitable<void> check_connects_again(trial& it, db::connection& conn);

}  // namespace pgtally::test
