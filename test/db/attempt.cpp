// Errors as values.

#include <pgtally/db/attempt.hpp>
#include <pgtally/db/listener.hpp>
#include <pgtally/test/db/fixture.hpp>

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <new>
#include <tuple>

using namespace pgtally;
using namespace pgtally::test;
namespace asio = boost::asio;

BOOST_FIXTURE_TEST_SUITE(test_attempt, db_fixture)

namespace {

asio::awaitable<int> fails_by(std::exception_ptr with)
{
    co_await asio::post(asio::use_awaitable);
    std::rethrow_exception(with);
}

bool is_seven(std::int32_t number)
{
    return number == 7;
}

}  // namespace

BOOST_AUTO_TEST_CASE(outcome_is_the_result_or_the_error)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection conn(executor);
        auto const early = co_await db::attempt(conn.query("select 1"));
        BOOST_REQUIRE(early.has_error());
        BOOST_TEST((early.error().code() == db::errc::closed));

        auto const connected = co_await db::attempt(conn.connect(settings()));
        static_assert(std::is_same_v<decltype(connected), db::outcome<void> const>);
        BOOST_REQUIRE(connected.has_value());
        BOOST_TEST(!connected.error().code());
        connected.value();

        auto const one = co_await db::attempt(conn.query("select $1::text", "one"));
        BOOST_REQUIRE(one.has_value());
        BOOST_TEST(one->text(0, 0) == "one");

        using row = std::tuple<std::int32_t>;
        auto seven = co_await db::attempt(conn.query_as<row>("select 7"));
        auto const rows = std::move(seven).value();
        BOOST_TEST(is_seven(std::get<0>(rows.one())));

        auto const refused = co_await db::attempt(conn.query("select 1 / 0"));
        BOOST_TEST(!refused);
        BOOST_TEST(refused.error().state().is("22012"));
        BOOST_TEST(refused.error().statement() == "select 1 / 0");
        auto const script = co_await db::attempt(conn.script("selec"));
        BOOST_TEST(script.error().state().is("42601"));
        BOOST_TEST(conn.is_open());
    });
}

BOOST_AUTO_TEST_CASE(value_throws_the_error_itself)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection conn(executor);
        co_await conn.connect(settings());
        auto const refused = co_await db::attempt(conn.query("select 1 / 0"));
        auto const is_it = [](db::error const& thrown) { return thrown.state().is("22012"); };
        BOOST_CHECK_EXCEPTION(refused.value(), db::error, is_it);
        auto const script = co_await db::attempt(conn.script("select 1 / 0"));
        BOOST_CHECK_EXCEPTION(script.value(), db::error, is_it);
    });
}

BOOST_AUTO_TEST_CASE(other_exceptions_pass)
{
    run([](asio::any_io_executor) -> asio::awaitable<void> {
        for (auto const& foreign :
             {std::make_exception_ptr(std::bad_alloc()),
              std::make_exception_ptr(boost::system::system_error(asio::error::operation_aborted))}) {
            bool passed = false;
            try {
                co_await db::attempt(fails_by(foreign));
            } catch (db::error const&) {
                BOOST_ERROR("it became an error of the database");
            } catch (std::exception const&) {
                passed = true;
            }
            BOOST_TEST(passed);
        }
        auto const own = std::make_exception_ptr(db::error(db::errc::busy, "busy"));
        auto const caught = co_await db::attempt(fails_by(own));
        BOOST_TEST((caught.error().code() == db::errc::busy));
    });
}

BOOST_AUTO_TEST_CASE(exception_of_a_handler_is_an_error_or_a_code)
{
    BOOST_TEST(!db::error_of(nullptr).has_value());
    BOOST_TEST(!db::code_of(nullptr));

    db::diagnostics said;
    said.state = db::sqlstate("23505");
    auto const own = std::make_exception_ptr(db::error(db::errc::server_error, "a line", said));
    BOOST_TEST(db::error_of(own)->state().is("23505"));
    BOOST_TEST((db::code_of(own) == db::errc::server_error));

    auto const plain = std::make_exception_ptr(boost::system::system_error(asio::error::operation_aborted, "co_await"));
    BOOST_TEST((db::error_of(plain)->code() == asio::error::operation_aborted));
    BOOST_TEST(mentions(db::error_of(plain)->what(), "co_await"));
    BOOST_TEST((db::code_of(plain) == asio::error::operation_aborted));

    BOOST_CHECK_THROW(std::ignore = db::code_of(std::make_exception_ptr(std::bad_alloc())), std::bad_alloc);
}

BOOST_AUTO_TEST_SUITE_END()
