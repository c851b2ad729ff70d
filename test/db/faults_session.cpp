// Faults at every step of a session: its login, the calls of several callers, the next connection.

#include <pgtally/db/session.hpp>
#include <pgtally/test/db/fault.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <tuple>

BOOST_AUTO_TEST_SUITE(test_faults_session)

using namespace pgtally;
using namespace pgtally::test;
namespace asio = boost::asio;

namespace {

using row = std::tuple<std::string>;
using answer = db::rows<row>;

char const* const insert = "insert into ledger values ($1) returning token";
// Fails after the first row has been sent.
char const* const bad_insert = "insert into ledger values ($1), (null) returning token";

// The outcome of a call.
struct outcome {
    bool ended = false;
    std::optional<answer> rows{};
    std::optional<db::error> failure{};
};

asio::awaitable<void> follow(asio::awaitable<answer> call, std::shared_ptr<outcome> into)
{
    try {
        into->rows = co_await std::move(call);
    } catch (db::error const& failure) {
        into->failure = failure;
    }
    into->ended = true;
}

asio::awaitable<void> follow_run(asio::awaitable<void> running, std::shared_ptr<bool> ended)
{
    co_await std::move(running);
    *ended = true;
}

// The insert of one token was answered correctly, or failed as allowed.
void check_insert(trial& it, int which, outcome const& of)
{
    if (of.failure) return it.check_failure(*of.failure, {db::errc::connection_lost, db::errc::timed_out});
    it.check(of.rows->size() == 1 && std::get<0>(of.rows->one()) == it.token(which), "the answer of another call");
    it.claim(it.token(which), {1});
}

void check_bad_insert(trial& it, outcome const& of)
{
    it.check(of.failure.has_value(), "an error was taken for a success");
    if (!of.failure) return;
    if (of.failure->code() == db::errc::server_error) it.check(of.failure->state().is("23502"), of.failure->what());
    else it.check_failure(*of.failure, {db::errc::connection_lost, db::errc::timed_out});
}

// Without help: at first a loss may be unnoticed. A stall has to end first: a session draws no conclusion from it
// while calls are in flight; they time out.
asio::awaitable<void> check_comes_back(trial& it, db::session& session)
{
    constexpr int tries = 3;
    for (int i = 0; i < tries; ++i) {
        auto const hasty = it.stalls() && !it.proxy.struck();  // it may hit this call
        if (it.stalls() && !hasty) it.proxy.pass();
        auto const mine = std::make_shared<outcome>();
        auto const which = 100 + i;
        it.claim(it.token(which), {0, 1});
        auto const patience = (hasty ? it.settings() : it.patient_settings()).query_timeout;
        auto const until = std::chrono::steady_clock::now() + patience;
        co_await follow(session.query_as<row>(until, insert, it.token(which)), mine);
        check_insert(it, which, *mine);
        if (!mine->failure) co_return;
    }
    it.check(false, "it does not come back");
}

}  // namespace

BOOST_AUTO_TEST_CASE(calls_are_answered_each_by_its_own_or_fail_and_none_runs_twice)
{
    auto const scenario = [](trial& it) -> asio::awaitable<void> {
        db::session_config settings;
        settings.connection = it.settings();
        db::session session(it.executor, settings);
        auto const run_ended = std::make_shared<bool>(false);
        spawn(it.executor, follow_run(session.run(), run_ended));
        constexpr int callers = 5;
        constexpr int failing = 2;
        std::vector<std::shared_ptr<outcome>> calls;
        for (int i = 0; i < callers; ++i) {
            it.claim(it.token(i), i == failing ? std::set<int>{0} : std::set<int>{0, 1});
            calls.push_back(std::make_shared<outcome>());
            auto call = session.query_as<row>(i == failing ? bad_insert : insert, it.token(i));
            spawn(it.executor, follow(std::move(call), calls.back()));
        }
        for (int i = 0; i < callers; ++i) {
            auto const& call = *calls[static_cast<std::size_t>(i)];
            auto const ended = [&] { return call.ended; };
            co_await until(it.executor, ended);
            if (i == failing) check_bad_insert(it, call);
            else check_insert(it, i, call);
        }
        co_await check_comes_back(it, session);
        session.stop();
        auto const ended = [&] { return *run_ended; };
        co_await until(it.executor, ended);
    };
    fault_options options;
    options.steps_vary = true;  // answers overtake calls
    for_each_fault(scenario, options);
}

BOOST_AUTO_TEST_SUITE_END()
