// Operations with completion tokens: callbacks, coroutines, and other tokens of Asio's.

#include <pgtally/test/db/operations.hpp>

BOOST_AUTO_TEST_SUITE(test_async)

using namespace pgtally;
using namespace pgtally::test;
using namespace std::chrono_literals;
namespace asio = boost::asio;

BOOST_FIXTURE_TEST_CASE(callbacks_alone_make_a_program, callbacks)
{
    struct program {
        db::connection conn;
        std::vector<std::string> seen{};

        void begin(db::config settings)
        {
            conn.async_connect(std::move(settings), [this](std::exception_ptr failure) {
                seen.push_back(failure ? "cannot connect" : "connected");
                conn.async_script("create temporary table t (id int); insert into t values (7)",
                                  [this](std::exception_ptr) { select(); });
            });
        }
        void select()
        {
            conn.async_query("select id from t where id = $1", 7, [this](std::exception_ptr, db::result_set result) {
                seen.emplace_back(result.text(0, 0));
                conn.async_query_as<number>("select id + $1 from t", 1, [this](std::exception_ptr, auto rows) {
                    seen.push_back(std::to_string(std::get<0>(rows.one())));
                    fail();
                });
            });
        }
        void fail()
        {
            conn.async_query("select 1 / 0", [this](std::exception_ptr failure, db::result_set const& result) {
                seen.emplace_back(db::error_of(failure).value().state().view());
                BOOST_TEST(result.empty());
                conn.async_query_as<number>("select 'text'", [this](std::exception_ptr mismatch, auto const& rows) {
                    BOOST_TEST((db::code_of(mismatch) == db::errc::bad_result));
                    BOOST_TEST(rows.empty());
                    conn.close();
                });
            });
        }
    } it{db::connection(context.get_executor())};
    it.begin(settings());
    run();
    std::vector<std::string> const wanted{"connected", "7", "8", "22012"};
    BOOST_TEST(it.seen == wanted, boost::test_tools::per_element());
    BOOST_TEST(!it.conn.is_open());
}

BOOST_FIXTURE_TEST_CASE(coroutine_takes_every_token, db_fixture)
{
    test::run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection conn(executor);
        co_await conn.async_connect(settings(), asio::use_awaitable);
        std::string const word = "word";
        auto const awaited = co_await conn.async_query("select $1::text", word, asio::use_awaitable);
        BOOST_TEST(awaited.text(0, 0) == word);
        auto const typed = co_await conn.async_query_as<number>("select $1::int", 7, asio::use_awaitable);
        BOOST_TEST(std::get<0>(typed.one()) == 7);
        auto const refused = co_await failure_of(conn.async_query("select 1 / 0", asio::use_awaitable));
        BOOST_TEST(refused.state().is("22012"));

        auto const [none, one] = co_await conn.async_query("select 1", asio::as_tuple(asio::use_awaitable));
        BOOST_TEST(!none);
        BOOST_TEST(one.text(0, 0) == "1");
        auto const [thrown, empty] = co_await conn.async_query("select 1 / 0", asio::as_tuple(asio::use_awaitable));
        BOOST_TEST(db::error_of(thrown).value().state().is("22012"));
        BOOST_TEST(empty.empty());

        auto later = conn.async_query("select $1::text", word, asio::deferred);
        co_await conn.query("select 'nothing has begun'");
        auto const at_last = co_await std::move(later)(asio::use_awaitable);
        BOOST_TEST(at_last.text(0, 0) == word);
    });
}

BOOST_FIXTURE_TEST_CASE(deferred_operation_never_called_never_begins, callbacks)
{
    db::connection conn(context.get_executor());
    connect(conn);
    {
        auto const never = conn.async_query("select 1", asio::deferred);
    }
    called query;
    conn.async_query("select 1", query.handler());
    run();
    BOOST_TEST(query.times == 1);
    BOOST_TEST(!query.code);
}

BOOST_FIXTURE_TEST_CASE(handler_is_not_called_from_inside_the_call, callbacks)
{
    db::connection closed(context.get_executor());
    called query;
    asio::post(context, [&] {
        closed.async_query("select 1", query.handler());  // fails at once
        BOOST_TEST(query.times == 0);
    });
    run();
    BOOST_TEST(query.times == 1);
    BOOST_TEST((query.code == db::errc::closed));
}

BOOST_FIXTURE_TEST_CASE(second_operation_of_a_connection_is_refused, callbacks)
{
    db::connection conn(context.get_executor());
    connect(conn);
    called first;
    called second;
    conn.async_query("select 1", first.handler());
    conn.async_query("select 2", second.handler());
    run();
    BOOST_TEST(!first.code);
    BOOST_TEST((second.code == db::errc::busy));
    BOOST_TEST(first.times == 1);
    BOOST_TEST(second.times == 1);
}

BOOST_FIXTURE_TEST_CASE(arguments_are_copied_and_the_handler_may_be_move_only, callbacks)
{
    db::connection conn(context.get_executor());
    connect(conn);
    std::string seen;
    {
        std::string value(100, 'x');
        auto own = std::make_unique<std::string>("own");
        auto handler = [&seen, own = std::move(own)](std::exception_ptr, db::result_set const& result) {
            seen = *own + std::string(result.text(0, 0));
        };
        conn.async_query("select $1::text", std::string_view(value), std::move(handler));
        value.assign(100, '-');
    }
    run();
    BOOST_TEST(seen == "own" + std::string(100, 'x'));
}

BOOST_FIXTURE_TEST_CASE(what_a_handler_throws_leaves_run, callbacks)
{
    db::connection conn(context.get_executor());
    connect(conn);
    for (std::string const sql : {"select 1", "select 1 / 0"}) {
        conn.async_query(sql, [](std::exception_ptr, db::result_set const&) { throw std::runtime_error("mine"); });
        BOOST_CHECK_EXCEPTION(run(), std::runtime_error,
                              [](auto const& thrown) { return std::string(thrown.what()) == "mine"; });
    }
    BOOST_TEST(conn.is_open());
    conn.close();
    run();
}

BOOST_FIXTURE_TEST_CASE(own_timer_cancels_by_the_slot, callbacks)
{
    db::connection conn(context.get_executor());
    connect(conn);
    called query;
    asio::cancellation_signal cancel;
    asio::steady_timer timer(context, 20ms);
    timer.async_wait([&](db::error_code) { cancel.emit(terminal); });
    conn.async_query("select pg_sleep(1000)", asio::bind_cancellation_slot(cancel.slot(), query.handler()));
    run();
    BOOST_TEST(query.times == 1);
    BOOST_TEST((query.code == aborted));
    BOOST_TEST(conn.is_open());
    connect(conn);  // the connection's slot is free again
    cancel.emit(terminal);
    BOOST_TEST(conn.is_open());
}

BOOST_FIXTURE_TEST_CASE(cancellation_ends_the_call_of_a_session_alone, callbacks)
{
    db::session session(context.get_executor(), session_settings());
    called running;
    called given_up;
    called answered;
    asio::cancellation_signal cancel;
    session.async_run(running.handler());
    session.async_query("select pg_sleep(0.01)",
                        asio::bind_cancellation_slot(cancel.slot(), [&](std::exception_ptr failure, db::result_set) {
                            given_up.handler()(failure);
                            session.async_query("select 1", [&](std::exception_ptr late, db::result_set) {
                                answered.handler()(late);
                                session.stop();
                            });
                        }));
    asio::post(context, [&] { cancel.emit(terminal); });
    run();
    BOOST_TEST((given_up.code == aborted));
    BOOST_TEST(answered.times == 1);
    BOOST_TEST(!answered.code);
    BOOST_TEST(running.times == 1);
    BOOST_TEST(!running.code);
}

BOOST_FIXTURE_TEST_CASE(signal_may_outlive_the_context, db_fixture)
{
    asio::cancellation_signal cancel;
    {
        asio::io_context context;
        db::connection conn(asio::make_strand(context));
        called connecting;
        conn.async_connect(settings(), asio::bind_cancellation_slot(cancel.slot(), connecting.handler()));
        context.run();
        BOOST_TEST(connecting.times == 1);
        BOOST_TEST(!connecting.code);
    }
    cancel.emit(terminal);
}

BOOST_FIXTURE_TEST_CASE(destroyed_objects_call_every_handler, callbacks)
{
    auto conn = std::make_unique<db::connection>(context.get_executor());
    connect(*conn);
    auto session = std::make_unique<db::session>(context.get_executor(), session_settings());
    auto listener = std::make_unique<db::listener>(context.get_executor(), settings(), std::vector<std::string>{"one"});
    called query;
    called run_session;
    std::vector<called> calls(5);
    called run_listener;
    called next;
    conn->async_query("select pg_sleep(1000)", query.handler());
    session->async_run(run_session.handler());
    for (auto& each : calls) session->async_query("select pg_sleep(1000)", each.handler());
    listener->async_run(run_listener.handler());
    bool stopped = false;
    auto on_next = [&](std::exception_ptr failure, std::span<db::event const> events) {
        next.handler()(failure);
        BOOST_REQUIRE(events.size() == 1u);
        BOOST_TEST(std::holds_alternative<db::listening>(events[0]));
        listener->async_next([&](std::exception_ptr, std::span<db::event const> none) { stopped = none.empty(); });
        conn.reset();
        session.reset();
        listener.reset();
        BOOST_TEST(query.times == 0);
    };
    listener->async_next(on_next);
    run();
    BOOST_TEST(query.times == 1);
    BOOST_TEST((query.code == db::errc::closed));
    for (auto const& each : calls) {
        BOOST_TEST(each.times == 1);
        BOOST_TEST((each.code == db::errc::closed));
    }
    for (auto const* each : {&run_session, &run_listener}) {
        BOOST_TEST(each->times == 1);
        BOOST_TEST(!each->code);
    }
    BOOST_TEST(next.times == 1);
    BOOST_TEST(stopped);
}

BOOST_FIXTURE_TEST_CASE(deadline_is_the_first_argument_of_a_sessions_call, callbacks)
{
    db::session session(context.get_executor(), session_settings());
    called running;
    called late;
    session.async_run(running.handler());
    auto const past = std::chrono::steady_clock::now() - 1s;
    auto const future = std::chrono::steady_clock::now() + 1min;
    session.async_query(past, "select $1::int", 1, late.handler());
    called late_as;
    session.async_query_as<number>(past, "select 1", late_as.handler());
    called in_time;
    session.async_query(future, "select 1", in_time.handler());
    std::int32_t got = 0;
    session.async_query_as<number>(future, "select $1::int", 7, [&](std::exception_ptr, auto rows) {
        got = std::get<0>(rows.one());
        session.stop();
    });
    run();
    BOOST_TEST((late.code == db::errc::timed_out));
    BOOST_TEST((late_as.code == db::errc::timed_out));
    BOOST_TEST(in_time.times == 1);
    BOOST_TEST(!in_time.code);
    BOOST_TEST(got == 7);
}

static_assert(db::detail::token_for<asio::use_future_t<>, db::result_set>);
static_assert(!db::detail::token_for<int, db::result_set>);
static_assert(!db::detail::token_for<char const*, void>);

BOOST_AUTO_TEST_SUITE_END()
