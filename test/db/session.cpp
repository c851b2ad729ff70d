// What callers of a session get while its connection lives; the other cases are in session_*.cpp.

#include <pgtally/test/db/client.hpp>

#include <algorithm>
#include <vector>

using namespace pgtally;
using namespace pgtally::test;
namespace asio = boost::asio;

BOOST_FIXTURE_TEST_SUITE(test_session, session_fixture)

namespace {

using one_number = std::tuple<std::int64_t>;

asio::awaitable<void> count_up(client& it, std::int64_t from, int calls, int& ended)
{
    for (int i = 0; i < calls; ++i) {
        auto const rows = co_await it.session.query_as<one_number>("select $1::bigint + $2", from, i);
        BOOST_REQUIRE(std::get<0>(rows.one()) == from + i);
    }
    ++ended;
}

asio::awaitable<std::int64_t> number(client& it, std::string sql)
{
    auto const rows = co_await it.session.query_as<one_number>(std::move(sql));
    co_return std::get<0>(rows.one());
}

}  // namespace

BOOST_AUTO_TEST_CASE(many_callers_get_their_own_answers)
{
    constexpr int callers = 256;
    constexpr int calls = 20;
    for (std::size_t const in_flight : {1u, 7u, 256u}) {
        auto settings = session_settings();
        settings.max_in_flight = in_flight;
        with_client(settings, [&](client& it) -> asio::awaitable<void> {
            auto const executor = co_await asio::this_coro::executor;
            int ended = 0;
            for (int n = 0; n < callers; ++n) spawn(executor, count_up(it, n * 1000, calls, ended));
            auto const reached = [&] { return ended == callers; };
            co_await it.until(reached);
            auto const& stats = it.session.stats();
            BOOST_TEST(stats.connects == 1u);
            BOOST_TEST(stats.answered == std::uint64_t{callers} * calls);
            BOOST_TEST(stats.sent == stats.answered);
            BOOST_TEST(stats.failed == 0u);
            BOOST_TEST(stats.prepared == 1u);
            BOOST_TEST(stats.in_flight_max == in_flight);
            BOOST_TEST(it.session.in_flight() == 0u);
        });
    }
}

BOOST_AUTO_TEST_CASE(calls_made_before_run_wait_for_it)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        client it(executor, session_settings());
        auto const early = it.begin("select 'early'");
        auto const reached = [&] { return it.session.queued() == 1; };
        co_await it.until(reached);
        BOOST_TEST(!it.session.is_open());
        it.start();
        co_await it.until_ended(early);
        BOOST_TEST(early->result.text(0, 0) == "early");
        BOOST_TEST(it.session.is_open());
        BOOST_TEST(mentions(it.session.description(), "/postgres as postgres"));
        co_await it.end();
    });
}

BOOST_AUTO_TEST_CASE(error_is_its_callers_alone)
{
    with_client(session_settings(), [&](client& it) -> asio::awaitable<void> {
        std::vector<client::call> calls;
        co_await it.hold();
        auto const first = it.stop_here();
        for (int i = 0; i < 20; ++i) calls.push_back(it.begin("select 12 / $1::int", i % 2));
        co_await it.until_sent(21);
        co_await it.release();
        for (int i = 0; i < 20; ++i) {
            auto const& call = calls[static_cast<std::size_t>(i)];
            co_await it.until_ended(call);
            if (i % 2 == 1) {
                BOOST_TEST(call->result.text(0, 0) == "12");
                continue;
            }
            BOOST_TEST(call->failed_by(db::errc::server_error));
            BOOST_TEST(call->failure->state().is("22012"));
            BOOST_TEST(call->failure->primary() == "division by zero");
            BOOST_TEST(call->failure->statement() == "select 12 / $1::int");
        }
        BOOST_TEST(it.session.stats().failed == 10u);
        BOOST_TEST(it.session.stats().connects == 1u);
    });
}

BOOST_AUTO_TEST_CASE(error_at_commit_is_its_callers_alone)
{
    auto const database = cluster::shared().create_database();
    with_client(session_settings(cluster::shared().dsn(database)), [&](client& it) -> asio::awaitable<void> {
        co_await it.session.query("create table one (id int unique deferrable initially deferred)");
        co_await it.session.query("insert into one values (1)");
        auto const before = it.begin("select 'before'");
        auto const twice = it.begin("insert into one values (1)");
        auto const after = it.begin("insert into one values (2) returning id");
        co_await it.until_ended(after);
        BOOST_TEST(before->result.text(0, 0) == "before");
        BOOST_REQUIRE(twice->failed_by(db::errc::server_error));
        BOOST_TEST(twice->failure->state().is("23505"));
        BOOST_TEST(after->result.text(0, 0) == "2");
        auto const rows = co_await number(it, "select count(*) from one");
        BOOST_TEST(rows == 2);
    });
}

BOOST_AUTO_TEST_CASE(statement_that_cannot_be_sent_or_read_fails_alone)
{
    with_client(session_settings(), [&](client& it) -> asio::awaitable<void> {
        auto const sql = co_await failure_of(it.session.query(std::string("select 1\0", 9)));
        BOOST_TEST((sql.code() == db::errc::bad_parameter));
        auto const value = co_await failure_of(it.session.query("select $1", std::string("a\0b", 3)));
        BOOST_TEST((value.code() == db::errc::bad_parameter));
        BOOST_TEST(it.session.stats().sent == 0u);
        auto const type = co_await failure_of(it.session.query_as<one_number>("select 'text'::text"));
        BOOST_TEST((type.code() == db::errc::bad_result));
        auto const few = co_await failure_of(it.session.query("select $1::int"));
        BOOST_TEST((few.code() == db::errc::server_error));
        auto const nothing = co_await it.session.query("");
        BOOST_TEST(nothing.empty());
        co_await it.check_usable();
        BOOST_TEST(it.session.stats().connects == 1u);
    });
}

BOOST_AUTO_TEST_CASE(statement_is_prepared_again_when_the_server_has_dropped_it)
{
    for (std::string const drop : {"discard all", "deallocate all"}) {
        with_client(session_settings(), [&](client& it) -> asio::awaitable<void> {
            co_await it.check_usable();
            co_await it.session.query(drop);
            co_await it.check_usable();
            BOOST_TEST(it.session.stats().healed == 1u);
            co_await it.check_usable();
            auto const kept = co_await number(
                it, "select count(*) from pg_prepared_statements where statement = 'select $1::bigint + 1'");
            BOOST_TEST(kept == 1);
            BOOST_TEST(it.session.stats().healed == 1u);
            BOOST_TEST(it.session.stats().connects == 1u);
        });
    }
}

BOOST_AUTO_TEST_CASE(all_calls_in_flight_recover_from_dropped_statements)
{
    with_client(session_settings(), [&](client& it) -> asio::awaitable<void> {
        std::vector<client::call> calls;
        co_await it.session.query("select $1::text", "prepared");
        co_await it.hold();
        auto const first = it.stop_here();
        auto const drop = it.begin("discard all");
        for (int i = 0; i < 50; ++i) calls.push_back(it.begin("select $1::text", i));
        co_await it.until_sent(52);
        co_await it.release();
        for (int i = 0; i < 50; ++i) {
            auto const& call = calls[static_cast<std::size_t>(i)];
            co_await it.until_ended(call);
            BOOST_REQUIRE(!call->failure);
            BOOST_TEST(call->result.text(0, 0) == std::to_string(i));
        }
        BOOST_TEST(it.session.stats().healed == 50u);
        co_await it.session.query("select $1::text", "prepared");
        BOOST_TEST(it.session.stats().healed == 50u);
    });
}

BOOST_AUTO_TEST_CASE(statement_is_prepared_again_when_its_columns_have_changed)
{
    auto const database = cluster::shared().create_database();
    with_client(session_settings(cluster::shared().dsn(database)), [&](client& it) -> asio::awaitable<void> {
        co_await it.session.query("create table changing as select 1 as a");
        auto const before = co_await it.session.query("select * from changing");
        BOOST_TEST(before.columns() == 1u);
        cluster::shared().sql("alter table changing add b int default 2", database);
        for (int i = 0; i < 3; ++i) {
            auto const after = co_await it.session.query("select * from changing");
            BOOST_TEST(after.columns() == 2u);
        }
        BOOST_TEST(it.session.stats().healed == 1u);
        // The displaced statement is deallocated on the server too.
        auto const kept = co_await number(
            it, "select count(*) from pg_prepared_statements where statement = 'select * from changing'");
        BOOST_TEST(kept == 1);
    });
}

BOOST_AUTO_TEST_CASE(same_states_of_a_statements_own_are_errors)
{
    with_client(session_settings(), [&](client& it) -> asio::awaitable<void> {
        for (int i = 0; i < 2; ++i) {
            auto const unknown = co_await failure_of(it.session.query("execute nothing_of_the_kind"));
            BOOST_TEST(unknown.state().is("26000"));
            auto const raised = co_await failure_of(it.session.query("do $$ begin raise sqlstate '0A000'; end $$"));
            BOOST_TEST(raised.state().is("0A000"));
        }
        BOOST_TEST(it.session.stats().healed == 0u);
    });
}

BOOST_AUTO_TEST_CASE(statement_that_cannot_be_prepared_says_so_to_all_its_callers)
{
    with_client(session_settings(), [&](client& it) -> asio::awaitable<void> {
        std::vector<client::call> calls;
        for (int i = 0; i < 10; ++i) calls.push_back(it.begin("select from nowhere"));
        for (auto const& call : calls) {
            co_await it.until_ended(call);
            BOOST_REQUIRE(call->failed_by(db::errc::server_error));
            BOOST_TEST(call->failure->state().is("42P01"));
        }
        co_await it.session.query("create temporary table nowhere ()");
        co_await it.session.query("select from nowhere");
    });
}

BOOST_AUTO_TEST_CASE(least_recently_used_statement_is_deallocated)
{
    auto settings = session_settings();
    settings.statement_cache = 2;
    with_client(settings, [&](client& it) -> asio::awaitable<void> {
        for (int round = 0; round < 3; ++round) {
            for (int i = 0; i < 5; ++i) {
                auto const wanted = std::to_string(i);
                auto const result = co_await it.session.query("select " + wanted);
                BOOST_TEST(result.text(0, 0) == wanted);
            }
        }
        BOOST_TEST(it.session.stats().prepared == 15u);
        BOOST_TEST(it.session.stats().displaced == 13u);
        auto const kept = co_await number(it, "select count(*) from pg_prepared_statements");
        BOOST_TEST(kept == 2);
        BOOST_TEST(it.session.stats().healed == 0u);
    });
}

BOOST_AUTO_TEST_CASE(switched_off_or_long_nothing_is_prepared)
{
    auto off = session_settings();
    off.statement_cache = 0;
    auto short_only = session_settings();
    short_only.max_prepared_bytes = 10;
    for (auto const& settings : {off, short_only}) {
        with_client(settings, [&](client& it) -> asio::awaitable<void> {
            for (int i = 0; i < 3; ++i) co_await it.check_usable();
            auto const kept = co_await number(it, "select count(*) from pg_prepared_statements");
            BOOST_TEST(kept == 0);
            BOOST_TEST(it.session.stats().prepared == 0u);
        });
    }
}

BOOST_AUTO_TEST_CASE(big_results_and_big_parameters_pass_both_ways_at_once)
{
    with_client(session_settings(), [&](client& it) -> asio::awaitable<void> {
        constexpr std::size_t size = 4'000'000;
        std::string const big(size, 'x');
        std::vector<client::call> calls;
        for (int i = 0; i < 6; ++i) {
            calls.push_back(it.begin("select $1::text || $2::text", big, i));
            calls.push_back(it.begin("select n from generate_series(1, 100000) n"));
        }
        for (std::size_t i = 0; i < calls.size(); ++i) {
            auto const& call = calls[i];
            co_await it.until_ended(call);
            BOOST_REQUIRE(!call->failure);
            if (i % 2 == 0) BOOST_TEST(call->result.text(0, 0).size() == size + 1);
            else BOOST_TEST(call->result.size() == 100'000u);
        }
        co_await it.check_usable();
        BOOST_TEST(it.session.stats().connects == 1u);
    });
}

BOOST_AUTO_TEST_CASE(one_caller_too_many_is_refused)
{
    auto settings = session_settings();
    settings.max_in_flight = 1;
    settings.max_queued = 2;
    with_client(settings, [&](client& it) -> asio::awaitable<void> {
        co_await it.hold();
        auto const first = it.stop_here();
        co_await it.until_sent(1);
        auto const second = it.begin("select 2");
        auto const third = it.begin("select 3");
        auto const reached = [&] { return it.session.queued() == 2; };
        co_await it.until(reached);
        auto const refused = co_await failure_of(it.session.query("select 4"));
        BOOST_TEST((refused.code() == db::errc::overloaded));
        BOOST_TEST(it.session.stats().overloaded == 1u);
        BOOST_TEST(it.session.stats().queued_max == 2u);
        co_await it.release();
        co_await it.until_ended(third);
        BOOST_TEST(second->result.text(0, 0) == "2");
        BOOST_TEST(third->result.text(0, 0) == "3");
        BOOST_TEST(it.session.stats().in_flight_max == 1u);
        co_await it.check_usable();
    });
}

BOOST_AUTO_TEST_CASE(notice_goes_to_the_log)
{
    with_client(session_settings(), [&](client& it) -> asio::awaitable<void> {
        co_await it.session.query("do $$ begin raise warning 'mind the gap'; end $$");
    });
    BOOST_TEST(log->contain("mind the gap"));
}

BOOST_AUTO_TEST_SUITE_END()
