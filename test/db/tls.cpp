// Connections that are encrypted, that fall back to plain ones, and those through a Unix-domain socket.

#include <pgtally/db/listener.hpp>
#include <pgtally/db/session.hpp>
#include <pgtally/test/db/fixture.hpp>
#include <pgtally/test/db/tls_cluster.hpp>

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <tuple>

using namespace pgtally;
using namespace pgtally::test;
namespace asio = boost::asio;

BOOST_FIXTURE_TEST_SUITE(test_tls, db_fixture)

namespace {

cluster& encrypted()
{
    return tls_cluster::shared().server;
}

std::string is_encrypted = "select ssl from pg_stat_ssl where pid = pg_backend_pid()";

}  // namespace

BOOST_AUTO_TEST_CASE(encrypted_connection_carries_much_both_ways)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection conn(executor);
        co_await conn.connect(settings(encrypted().dsn() + " sslmode=require"));
        auto const rows = co_await conn.query_as<std::tuple<bool>>(is_encrypted);
        BOOST_TEST(std::get<0>(rows.one()));
        std::string const big(10'000'000, 'x');
        auto const echoed = co_await conn.query("select $1::text", big);
        BOOST_TEST((echoed.text(0, 0) == big));
        for (int size = 1; size < 100'000; size = size * 3 + 1) {
            auto const filled = co_await conn.query("select repeat('y', $1)", size);
            BOOST_TEST(filled.text(0, 0).size() == static_cast<std::size_t>(size));
        }
    });
}

BOOST_AUTO_TEST_CASE(session_carries_much_both_ways_through_tls)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::session_config shared;
        shared.connection = settings(encrypted().dsn() + " sslmode=require");
        db::session session(executor, shared);
        spawn(executor, session.run());
        auto const rows = co_await session.query_as<std::tuple<bool>>(is_encrypted);
        BOOST_TEST(std::get<0>(rows.one()));
        int ended = 0;
        auto caller = [&](int size) -> asio::awaitable<void> {
            for (; size < 1'000'000; size = size * 3 + 1) {
                auto const echoed = co_await session.query("select $1::text", std::string(std::size_t(size), 'x'));
                BOOST_TEST(echoed.text(0, 0).size() == std::size_t(size));
            }
            ++ended;
        };
        for (int i = 1; i <= 20; ++i) spawn(executor, caller(i));
        while (ended < 20) co_await asio::post(executor, asio::use_awaitable);
        BOOST_TEST(session.stats().connects == 1u);
        session.stop();
    });
}

BOOST_AUTO_TEST_CASE(listener_hears_through_tls)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::listener listener(executor, settings(encrypted().dsn() + " sslmode=require"), {"one"});
        spawn(executor, listener.run());
        auto const first = co_await listener.next();
        BOOST_TEST(std::holds_alternative<db::listening>(first[0]));
        encrypted().sql("select pg_notify('one', repeat('z', 7000) || i) from generate_series(1, 500) i");
        for (int heard = 0; heard < 500;) {
            for (auto const& event : co_await listener.next()) {
                auto const wanted = std::string(7000, 'z') + std::to_string(++heard);
                BOOST_REQUIRE(std::get<db::notification>(event).payload == wanted);
            }
        }
        listener.stop();
    });
}

BOOST_AUTO_TEST_CASE(fall_back_to_plain_uses_another_socket_in_the_same_attempt)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        auto const place = "host=127.0.0.1 user=plain dbname=postgres port=" + std::to_string(encrypted().port());
        db::connection conn(executor);
        co_await conn.connect(settings(place + " sslmode=prefer"));
        auto const rows = co_await conn.query_as<std::tuple<bool>>(is_encrypted);
        BOOST_TEST(!std::get<0>(rows.one()));
        auto const refused = co_await failure_of(conn.connect(settings(place + " sslmode=require")));
        BOOST_TEST(refused.permanent());
        BOOST_TEST(refused.state().is("28000"));
    });
}

BOOST_AUTO_TEST_CASE(unix_socket_is_a_host)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection conn(executor);
        auto const port = std::to_string(encrypted().port());
        co_await conn.connect(settings("host=/tmp user=postgres dbname=postgres port=" + port));
        auto const rows = co_await conn.query_as<std::tuple<bool>>("select inet_client_addr() is null");
        BOOST_TEST(std::get<0>(rows.one()));
        BOOST_TEST(conn.description() == "/tmp:" + port + "/postgres as postgres");
    });
}

BOOST_AUTO_TEST_SUITE_END()
