// The blocks of code of db/README.md, between marks, which tools/snippets compares: compiled, and run.

#include <pgtally/test/db/snippets.hpp>

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <iostream>

//[ first_steps
#include <pgtally/db/connection.hpp>

namespace asio = boost::asio;
namespace db = pgtally::db;

asio::awaitable<void> first_steps(std::string conninfo)
{
    db::config settings;
    settings.conninfo = conninfo;  // "postgresql://ann@db1,db2/shop", or keywords, or empty: PGHOST, PGSERVICE, ...
    settings.on_connect = {"set statement_timeout = '30s'"};
    settings.query_timeout = std::chrono::seconds{60};
    settings.log = [](db::level, std::string_view line) { std::clog << line << '\n'; };

    db::connection conn(co_await asio::this_coro::executor);
    co_await conn.connect(settings);

    co_await conn.query("insert into post (title, tags) values ($1, $2)", "Hello", std::vector<std::string>{});

    using row = std::tuple<std::int64_t, std::string, std::optional<std::string>>;
    auto const posts = co_await conn.query_as<row>("select id, title, note from post where id > $1", 10);
    for (auto const& [id, title, note] : posts) std::cout << id << ' ' << title << '\n';

    auto const [count] = (co_await conn.query_as<std::tuple<std::int64_t>>("select count(*) from post")).one();
    std::cout << count << " in all\n";

    auto const any = co_await conn.query("select * from post");  // untyped: text
    if (!any.empty() && !any.is_null(0, 1)) std::cout << any.name(1) << ": " << any.text(0, 1) << '\n';

    co_await conn.script("begin; delete from post; rollback");  // several statements, no parameters, no result
}
//]

//[ session
#include <pgtally/db/session.hpp>
//]

//[ listener
#include <pgtally/db/listener.hpp>
//]

//[ attempt
#include <pgtally/db/attempt.hpp>
//]

//[ tokens
#include <boost/asio/use_future.hpp>
//]

using namespace pgtally::test;

BOOST_FIXTURE_TEST_SUITE(test_snippets, shop)

BOOST_AUTO_TEST_CASE(first_steps_print_the_post)
{
    printed const seen;
    run([&](asio::any_io_executor) -> asio::awaitable<void> { co_await first_steps(settings.conninfo); });
    BOOST_TEST(seen.has("\n11 Hello\n1 in all\ntitle: Hello\n"));
    BOOST_TEST(seen.has("connected to"));
    BOOST_TEST(sql("select count(*) from post") == "1");
}

BOOST_AUTO_TEST_CASE(unique_violation_is_told_from_the_others)
{
    sql("insert into post (id) values (7)");
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection conn(executor);
        co_await conn.connect(settings);
        auto const insert = [&]() -> asio::awaitable<void> {
            //[ unique_violation
            try {
                co_await conn.query("insert into post (id) values ($1)", 7);
            } catch (db::error const& failure) {
                if (!failure.state().is("23505")) throw;  // unique_violation
            }
            //]
        };
        co_await insert();
        co_await conn.script("alter table post rename to posts");
        auto const passed = co_await failure_of(insert());
        BOOST_TEST(passed.state().is("42P01"));
    });
}

BOOST_AUTO_TEST_CASE(outcome_instead_of_an_exception)
{
    printed const seen;
    sql("insert into post (id) values (7)");
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection conn(executor);
        co_await conn.connect(settings);
        //[ attempt
        auto const added = co_await db::attempt(conn.query("insert into post (id) values ($1)", 7));
        if (added) std::cout << added->affected() << " row\n";
        else std::cout << added.error().state().view() << ": " << added.error().what() << '\n';
        //]
    });
    BOOST_TEST(seen.has("\n23505: query on"));
}

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
            using row = std::tuple<std::string>;
            auto const [title] = (co_await session.query_as<row>("select title from post where id = $1", id)).one();
            auto const soon = std::chrono::steady_clock::now() + std::chrono::milliseconds{50};
            co_await session.query(soon, "update post set seen = seen + 1 where id = $1", id);  // a deadline of its own
            //]
            BOOST_TEST(title == "a title");
        };
        // The deadline is the page's, and may pass on a machine that is busy: then again.
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
