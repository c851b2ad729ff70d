// Operations with completion tokens that several threads start, cancel and complete.

#include <pgtally/test/db/operations.hpp>

BOOST_AUTO_TEST_SUITE(test_async_threads)

using namespace pgtally;
using namespace pgtally::test;
using namespace std::chrono_literals;
namespace asio = boost::asio;

BOOST_FIXTURE_TEST_CASE(futures_serve_a_thread_that_is_not_the_strands, threads)
{
    auto conn = std::make_unique<db::connection>(strand);
    conn->async_connect(settings(), asio::use_future).get();
    for (int i = 0; i < 50; ++i) {
        auto const rows = conn->async_query_as<number>("select $1::int", i, asio::use_future).get();
        BOOST_TEST(std::get<0>(rows.one()) == i);
    }
    conn->async_script("create temporary table t (id int)", asio::use_future).get();
    auto const added = conn->async_query("insert into t values ($1)", 1, asio::use_future).get();
    BOOST_TEST(added.affected() == 1u);
    auto const refused = failure_of(conn->async_query("select 1 / 0", asio::use_future));
    BOOST_TEST(refused.state().is("22012"));
    BOOST_TEST(refused.statement() == "select 1 / 0");
    on_strand([&] { conn.reset(); });
}

BOOST_FIXTURE_TEST_CASE(many_threads_share_a_session, threads)
{
    db::session_config shared;
    shared.connection = settings();
    shared.connection.log = nullptr;
    auto session = std::make_unique<db::session>(strand, shared);
    auto running = session->async_run(asio::use_future);
    std::vector<std::future<int>> callers;
    for (int caller = 0; caller < 4; ++caller) {
        callers.push_back(std::async(std::launch::async, [&session = *session, caller] {
            int sum = 0;
            for (int i = 0; i < 50; ++i) {
                auto later = session.async_query_as<number>("select $1::int + $2::int", caller, i, asio::use_future);
                sum += std::get<0>(later.get().one());
            }
            return sum;
        }));
    }
    for (int caller = 0; caller < 4; ++caller)
        BOOST_TEST(callers[static_cast<std::size_t>(caller)].get() == 50 * caller + 49 * 50 / 2);
    auto pending = session->async_query("select pg_sleep(1000)", asio::use_future);
    on_strand([&] { session.reset(); });
    BOOST_TEST((failure_of(std::move(pending)).code() == db::errc::closed));
    running.get();
}

BOOST_FIXTURE_TEST_CASE(handler_runs_on_its_executor_and_else_on_the_objects, threads)
{
    auto const other = asio::make_strand(pool);
    auto conn = std::make_unique<db::connection>(strand);
    conn->async_connect(settings(), asio::use_future).get();
    for (std::string const sql : {"select 1", "select 1 / 0"}) {
        std::promise<bool> here;
        auto mine = [&](std::exception_ptr, db::result_set const&) { here.set_value(strand.running_in_this_thread()); };
        conn->async_query(sql, mine);
        BOOST_TEST(here.get_future().get());

        std::promise<bool> there;
        auto bound = [&](std::exception_ptr, db::result_set const&) {
            there.set_value(other.running_in_this_thread());
        };
        conn->async_query(sql, asio::bind_executor(other, bound));
        BOOST_TEST(there.get_future().get());
    }
    on_strand([&] { conn.reset(); });
}

// The signal belongs to another strand than the object, and is used and destroyed there.
BOOST_FIXTURE_TEST_CASE(cancellation_comes_from_another_strand_at_any_time, threads)
{
    auto const other = asio::make_strand(pool);
    db::session_config shared;
    shared.connection = settings();
    shared.connection.log = nullptr;
    auto session = std::make_unique<db::session>(strand, shared);
    auto running = session->async_run(asio::use_future);
    int ended = 0;
    constexpr int calls = 300;
    std::promise<void> all;
    for (int i = 0; i < calls; ++i) {
        auto const cancel = std::make_shared<asio::cancellation_signal>();
        asio::post(other, [&, cancel, i] {
            auto handler = [&, cancel](std::exception_ptr failure, db::result_set const&) {
                auto const code = db::code_of(failure);
                BOOST_TEST((!code || code == aborted));
                if (++ended == calls) all.set_value();
            };
            auto bound = asio::bind_cancellation_slot(cancel->slot(), asio::bind_executor(other, std::move(handler)));
            session->async_query("select 1", std::move(bound));
            auto const emit = [cancel] { cancel->emit(terminal); };
            if (i % 3 == 0) emit();
            else if (i % 3 == 1) asio::post(other, emit);
            else asio::post(other, [=] { asio::post(other, emit); });
        });
    }
    all.get_future().get();
    on_strand([&] { session.reset(); });
    running.get();
    pool.join();
}

BOOST_FIXTURE_TEST_CASE(operation_cancelled_before_it_began_calls_its_handler, threads)
{
    auto conn = std::make_unique<db::connection>(strand);
    conn->async_connect(settings(), asio::use_future).get();
    asio::cancellation_signal cancel;
    std::promise<void> occupied;
    std::promise<void> initiated;
    std::promise<db::error_code> ended;
    asio::post(strand, [&] {
        occupied.set_value();
        initiated.get_future().wait();
        cancel.emit(terminal);
    });
    occupied.get_future().wait();
    auto handler = [&](std::exception_ptr failure, db::result_set const&) { ended.set_value(db::code_of(failure)); };
    conn->async_query("select pg_sleep(1000)", asio::bind_cancellation_slot(cancel.slot(), std::move(handler)));
    initiated.set_value();
    BOOST_TEST((ended.get_future().get() == aborted));
    on_strand([&] { conn.reset(); });
}

BOOST_AUTO_TEST_SUITE_END()
