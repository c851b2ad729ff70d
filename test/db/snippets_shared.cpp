// The blocks of db/README.md that are about sessions, listeners and completion tokens.

#include <pgtally/test/db/snippets.hpp>

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <iostream>

//[ session
#include <pgtally/db/session.hpp>
//]

//[ listener
#include <pgtally/db/listener.hpp>
//]

//[ tokens
#include <boost/asio/use_future.hpp>
//]

#include <pgtally/db/attempt.hpp>

namespace asio = boost::asio;
namespace db = pgtally::db;
using namespace pgtally::test;

BOOST_FIXTURE_TEST_SUITE(test_snippets_shared, shop)

BOOST_AUTO_TEST_CASE(callback_and_future)
{
    printed const seen;
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::session_config shared;
        shared.connection = settings;
        db::session session(executor, shared);
        asio::co_spawn(executor, session.run(), on_end);
        auto const id = 7;
        //[ tokens
        auto const on_title = [](std::exception_ptr failure, db::result_set result) {
            if (failure) std::cerr << db::error_of(failure)->what() << '\n';
            else std::cout << result.text(0, 0) << '\n';
        };
        session.async_query("select upper($1)", "a title", on_title);
        std::future<db::result_set> later = session.async_query("select $1::int", id, asio::use_future);
        //]
        while (later.wait_for(std::chrono::seconds{0}) != std::future_status::ready)
            co_await asio::post(asio::use_awaitable);
        BOOST_TEST(later.get().text(0, 0) == "7");
        session.stop();
    });
    BOOST_TEST(seen.has("\nA TITLE\n"));
}

BOOST_AUTO_TEST_CASE(session_is_shared)
{
    sql("insert into post (id, title) values (7, 'a title')");
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        //[ session
        db::session_config shared;
        shared.connection = settings;
        shared.connection.query_timeout = std::chrono::seconds{5};  // of each call
        db::session session(executor, shared);
        asio::co_spawn(executor, session.run(), on_end);  // connects, and again, until session.stop()
        //]
        auto const id = 7;
        auto const call = [&]() -> asio::awaitable<void> {
            //[ session
            // In any number of coroutines at once:
            auto const found = co_await session.query_as<std::string>("select title from post where id = $1", id);
            auto const soon = std::chrono::steady_clock::now() + std::chrono::milliseconds{50};
            co_await session.query(soon, "update post set seen = seen + 1 where id = $1", id);  // a deadline of its own
            //]
            BOOST_TEST(found.one() == "a title");
        };
        // The deadline is the page's, and may pass on a busy machine: then the test repeats the call.
        for (std::string seen = "0"; seen == "0"; seen = sql("select seen from post")) {
            try {
                co_await call();
            } catch (db::error const& failure) {
                BOOST_TEST((failure.code() == db::errc::timed_out));
            }
        }
        session.stop();
    });
}

BOOST_AUTO_TEST_CASE(listener_tells_of_each_event)
{
    std::vector<std::string> seen;
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        //[ listener
        db::listener listener(executor, settings, {"post_changed"});
        asio::co_spawn(executor, listener.run(), on_end);  // until listener.stop()
        //]
        auto const apply = [&](std::string_view channel, std::string_view payload) {
            seen.push_back(std::string(channel) + " " + std::string(payload));
            sql("select pg_terminate_backend(" + std::to_string(static_cast<int>(listener.backend_pid())) + ")");
        };
        auto const load_again = [&] {
            seen.emplace_back("load");
            if (seen.size() == 1) sql("notify post_changed, '7'");
            else listener.stop();
        };
        auto const show_stale = [&](std::string const& reason) {
            seen.emplace_back("stale");
            BOOST_TEST(mentions(reason, "57P01"));
        };
        //[ listener
        for (;;) {
            auto const events = co_await listener.next();  // all that is there; valid until the next next()
            if (events.empty()) break;                     // stopped
            for (auto const& event : events) {
                if (auto const* n = std::get_if<db::notification>(&event)) apply(n->channel, n->payload);
                if (std::holds_alternative<db::listening>(event)) load_again();  // something may have been missed
                if (auto const* l = std::get_if<db::lost>(&event)) show_stale(l->reason);
            }
        }
        //]
    });
    std::vector<std::string> const wanted{"load", "post_changed 7", "stale", "load"};
    BOOST_TEST(seen == wanted, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()
