// The proxy of the fault suite: it recognises messages and causes the planned faults.

#include <pgtally/test/db/fault.hpp>
#include <pgtally/test/support/frames.hpp>

#include <chrono>

using namespace pgtally;
using namespace pgtally::test;
namespace asio = boost::asio;

BOOST_FIXTURE_TEST_SUITE(test_faults_proxy, db_fixture)

BOOST_AUTO_TEST_CASE(bytes_become_messages_wherever_they_are_cut)
{
    using namespace std::string_view_literals;
    auto const said =
        "\0\0\0\x08\x04\xd2\x16\x2f"    // SSLRequest
        "\0\0\0\x0a\0\x03\0\0ab"        // startup
        "Q\0\0\0\x06;\0X\0\0\0\x04"sv;  // and typed ones
    for (std::size_t size = 1; size <= said.size(); ++size) {
        frame_splitter splitter(frame_splitter::sender::client);
        std::string names;
        for (std::size_t at = 0; at < said.size(); at += size) {
            splitter.add(said.substr(at, size));
            while (auto const each = splitter.next()) names += each->name + std::to_string(each->bytes.size()) + " ";
        }
        BOOST_TEST(names == "SSLRequest8 startup10 Q7 X5 ");
    }
    frame_splitter splitter(frame_splitter::sender::server);
    splitter.expect_one_byte();
    splitter.add("NZ\0\0\0\5I"sv);
    BOOST_TEST(splitter.next().value().bytes == "N");
    BOOST_TEST(splitter.next().value().name == "Z");
    splitter.add("R\0\0\0\0"sv);  // no message is shorter than its length
    BOOST_CHECK_THROW(static_cast<void>(splitter.next()), std::runtime_error);
}

BOOST_AUTO_TEST_CASE(fault_befalls_its_step_of_its_connection_only)
{
    step_proxy by(cluster::shared().port());
    auto through = settings(by.dsn());
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection first(executor);
        db::connection second(executor);
        co_await first.connect(through);
        auto const login = by.steps(1).size();
        by.arm({fault::cut, login + 1, 2});
        co_await second.connect(through);
        co_await first.query("select 1");
        BOOST_TEST(!by.struck());
        auto const lost = co_await failure_of(second.query("select 1"));
        BOOST_TEST((lost.code() == db::errc::connection_lost));
        BOOST_TEST(by.struck());
        BOOST_TEST(by.steps(2).size() == login + 1);
        BOOST_TEST(by.steps(2).back() == "C:P");
        BOOST_TEST(by.steps(3).empty());
        BOOST_TEST(by.accepted() == 2u);
        co_await first.query("select 1");
    });
}

BOOST_AUTO_TEST_CASE(stall_lasts_until_it_is_told_to_pass)
{
    step_proxy by(cluster::shared().port());
    auto through = settings(by.dsn());
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection conn(executor);
        co_await conn.connect(through);
        by.arm({fault::stall, by.steps().size() + 6, 1});  // the first message of the answer
        bool passed = false;
        auto tell = [&]() -> asio::awaitable<void> {
            auto const is_silent = [&] { return by.struck(); };
            co_await until(executor, is_silent);
            passed = true;
            by.pass();
        };
        spawn(executor, tell());
        auto const result = co_await conn.query("select 42");
        BOOST_TEST(passed);
        BOOST_TEST(result.text(0, 0) == "42");
    });
}

// A suite that notices nothing is useless: a scenario that ignores a loss must fail.
BOOST_AUTO_TEST_CASE(trial_does_not_take_any_failure)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        auto const claims = std::make_shared<ledger_claims>();
        trial healthy(executor, fault_plan(), 1, claims);
        trial cut(executor, {fault::cut, 1, 1}, 2, claims);
        trial silent(executor, {fault::stall, 1, 1}, 3, claims);
        db::error const lost(db::errc::connection_lost, "lost");
        db::error const late(db::errc::timed_out, "late");
        db::error const refused(db::errc::login_failed, "refused");
        BOOST_TEST(!healthy.may_fail(lost, {db::errc::connection_lost}));
        BOOST_TEST(cut.may_fail(lost, {db::errc::connection_lost}));
        BOOST_TEST(!cut.may_fail(lost, {db::errc::connect_failed}));
        BOOST_TEST(!cut.may_fail(late, {db::errc::timed_out}));
        BOOST_TEST(silent.may_fail(late, {db::errc::timed_out}));
        BOOST_TEST(!cut.may_fail(refused, {db::errc::login_failed}));
        co_return;
    });
}

BOOST_AUTO_TEST_SUITE_END()
