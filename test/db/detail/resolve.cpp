#include <pgtally/test/support/coroutine.hpp>

#include <pgtally/db/config.hpp>
#include <pgtally/db/detail/resolve.hpp>

#include <boost/asio/error.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/test/unit_test.hpp>

#include <string>

BOOST_AUTO_TEST_SUITE(test_resolve)

using namespace pgtally::db;
using detail::target;
using detail::targets;
using pgtally::test::run;
namespace asio = boost::asio;

namespace {

std::string shown(std::vector<target> const& all)
{
    std::string text;
    for (auto const& each : all) {
        if (!text.empty()) text += ' ';
        text += each.host + "|" + each.address + "|" + each.port;
    }
    return text;
}

std::string shown_of(char const* host, char const* hostaddr, char const* port)
{
    pq::options from;
    if (*host != '\0') from["host"] = host;
    if (*hostaddr != '\0') from["hostaddr"] = hostaddr;
    if (*port != '\0') from["port"] = port;
    return shown(targets(from));
}

std::string refusal_of(std::string const& conninfo)
{
    try {
        return "accepted: " + shown(targets(pq::parse(conninfo)));
    } catch (error const& refused) {
        BOOST_TEST((refused.code() == errc::bad_config));
        return refused.what();
    }
}

}  // namespace

BOOST_AUTO_TEST_CASE(targets_keep_order_and_fill_in_literals)
{
    BOOST_TEST(shown_of("", "", "") == "||5432");
    BOOST_TEST(shown_of("db", "", "5433") == "db||5433");
    BOOST_TEST(shown_of("a,10.0.0.1,b", "", "5433") == "a||5433 10.0.0.1|10.0.0.1|5433 b||5433");
    BOOST_TEST(shown_of("a,b", "", "1,2") == "a||1 b||2");
    BOOST_TEST(shown_of("a,b", "", "1,") == "a||1 b||5432");
    BOOST_TEST(shown_of("::1,fe80::1", "", "") == "::1|::1|5432 fe80::1|fe80::1|5432");
    BOOST_TEST(shown_of("/run/postgresql,@abstract", "", "") == "/run/postgresql||5432 @abstract||5432");
    BOOST_TEST(shown_of("a,b", "10.0.0.1,", "") == "a|10.0.0.1|5432 b||5432");
    BOOST_TEST(shown_of("", "10.0.0.1,10.0.0.2", "7") == "|10.0.0.1|7 |10.0.0.2|7");
}

BOOST_AUTO_TEST_CASE(only_names_are_looked_up)
{
    for (auto const& [host, address, wanted] :
         {std::tuple("db", "", true), std::tuple("db", "10.0.0.1", false), std::tuple("/run/postgresql", "", false),
          std::tuple("@abstract", "", false), std::tuple("", "", false)}) {
        target to;
        to.host = host;
        to.address = address;
        BOOST_TEST(detail::needs_lookup(to) == wanted, host << " " << address);
    }
}

BOOST_AUTO_TEST_CASE(lists_that_do_not_match_are_refused)
{
    BOOST_CHECK_THROW(shown_of("a,b", "10.0.0.1", ""), error);
    BOOST_CHECK_THROW(shown_of("a,b", "", "1,2,3"), error);
    BOOST_CHECK_THROW(shown_of("a", "", "1,2"), error);
}

BOOST_AUTO_TEST_CASE(mistyped_strings_are_refused_without_being_shown)
{
    for (std::string const conninfo :
         {"postgresql://u:12sesame@34@host/db", "postgresql://u:se/same@host/db", "postgresql://u:p@sesame@host/db",
          "host=h password=open sesame", "postgresql://u:p%sesame@host/db", "postgresql://u:p@host/db?sesame",
          "port=sesame", "port=70000000sesame", "sesame", "sesame=1"}) {
        auto const refusal = refusal_of(conninfo);
        BOOST_TEST(refusal.find("accepted") == std::string::npos, conninfo << ": " << refusal);
        BOOST_TEST(refusal.find("same") == std::string::npos, conninfo << ": " << refusal);
    }
}

BOOST_AUTO_TEST_CASE(redacted_has_place_and_user_only)
{
    config settings;
    settings.conninfo = "postgresql://ann:sesame@db.example,other:7/shop?sslpassword=sesame";
    BOOST_TEST(settings.redacted() == "db.example:5432,other:7/shop as ann");
    settings.conninfo = "host=/run/postgresql user=ann password=sesame";
    BOOST_TEST(settings.redacted().find("sesame") == std::string::npos);
    settings.conninfo = "postgresql://ann:1/sesame@host/db";
    BOOST_TEST(settings.redacted().find("sesame") == std::string::npos);
    settings.conninfo = "sesame";
    BOOST_TEST(settings.redacted() == "a connection string that is not valid");
}

BOOST_AUTO_TEST_CASE(lookup_finds_all_addresses_of_a_name)
{
    run([](asio::any_io_executor executor) -> asio::awaitable<void> {
        auto const wake = std::make_shared<detail::signal>(executor);
        target to;
        to.host = "localhost";
        to.port = "5432";
        auto const result = co_await detail::lookup(executor, wake, to);
        BOOST_TEST(!result.failure);
        BOOST_REQUIRE(!result.found.empty());
        for (auto const& each : result.found) {
            BOOST_TEST(each.host == "localhost");
            BOOST_TEST((each.address == "127.0.0.1" || each.address == "::1"));
        }
    });
}

BOOST_AUTO_TEST_CASE(late_answer_is_not_taken_for_that_to_the_next_question)
{
    run([](asio::any_io_executor executor) -> asio::awaitable<void> {
        auto const wake = std::make_shared<detail::signal>(executor);
        target to;
        to.host = "localhost";
        to.port = "5432";
        for (int i = 0; i < 20; ++i) {
            // Other lookups occupy the resolver's only thread, so that this one is given up before it starts.
            asio::ip::tcp::resolver others(executor);
            for (int other = 0; other < 500; ++other) others.async_resolve(to.host, to.port, [](auto const&...) {});
            asio::post(executor, [wake] { wake->notify(); });
            auto const ended = co_await detail::lookup(executor, wake, to);
            if (!ended.found.empty()) continue;  // this time the answer was faster
            BOOST_REQUIRE((ended.failure == asio::error::operation_aborted));
            auto const answered = co_await detail::lookup(executor, wake, to);
            BOOST_REQUIRE(!answered.failure);
            BOOST_REQUIRE(!answered.found.empty());
        }
    });
}

BOOST_AUTO_TEST_SUITE_END()
