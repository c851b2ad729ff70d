#include <pgtally/db/error.hpp>

#include <boost/test/unit_test.hpp>

#include <set>
#include <type_traits>

BOOST_AUTO_TEST_SUITE(test_error)

using namespace pgtally::db;

BOOST_AUTO_TEST_CASE(sqlstate_compares_and_classifies)
{
    sqlstate const state("57P01");
    BOOST_TEST(state.view() == "57P01");
    BOOST_TEST(state.is("57P01"));
    BOOST_TEST(!state.is("57P02"));
    BOOST_TEST(state.in_class("57"));
    BOOST_TEST(!state.in_class("08"));
    BOOST_TEST((state == sqlstate("57P01")));
    BOOST_TEST((state != sqlstate("57P03")));
}

BOOST_AUTO_TEST_CASE(sqlstate_of_anything_else_is_empty)
{
    for (auto const* const code : {"", "57P0", "57P011", "57p01", "57 01"}) {
        BOOST_TEST_CONTEXT(code)
        {
            BOOST_TEST(sqlstate(code).empty());
            BOOST_TEST(sqlstate(code).view() == "");
        }
    }
    BOOST_TEST(!sqlstate().in_class(""));
}

BOOST_AUTO_TEST_CASE(every_code_has_a_message_of_its_own)
{
    std::set<std::string> seen;
    for (int value = 1; value <= static_cast<int>(errc::not_shareable); ++value) {
        auto const code = make_error_code(static_cast<errc>(value));
        BOOST_TEST(code.category().name() == std::string("pgtally.db"));
        BOOST_TEST(code.message().find("unknown") == std::string::npos);
        BOOST_TEST(seen.insert(code.message()).second);
    }
    BOOST_TEST(make_error_code(static_cast<errc>(99)).message() == "unknown error 99");
}

BOOST_AUTO_TEST_CASE(error_carries_what_the_server_said)
{
    diagnostics said;
    said.state = sqlstate("23505");
    said.primary = "duplicate key";
    said.detail = "Key (id)=(1) already exists.";
    said.hint = "Use another.";
    said.statement = "insert into t values ($1)";
    error const original(errc::server_error, "query on h failed: duplicate key (23505)", said);
    error const copy = original;
    BOOST_TEST(copy.what() == std::string("query on h failed: duplicate key (23505)"));
    BOOST_TEST((copy.code() == errc::server_error));
    BOOST_TEST(copy.state().is("23505"));
    BOOST_TEST(copy.primary() == said.primary);
    BOOST_TEST(copy.detail() == said.detail);
    BOOST_TEST(copy.hint() == said.hint);
    BOOST_TEST(copy.statement() == said.statement);
    static_assert(std::is_nothrow_copy_constructible_v<error>);
}

BOOST_AUTO_TEST_CASE(permanent_is_what_waiting_does_not_cure)
{
    BOOST_TEST(error(errc::bad_config, "").permanent());
    BOOST_TEST(error(errc::login_failed, "").permanent());
    BOOST_TEST(!error(errc::connect_failed, "").permanent());
    BOOST_TEST(!error(errc::timed_out, "").permanent());
    BOOST_TEST(!error(errc::server_error, "").permanent());
}

BOOST_AUTO_TEST_SUITE_END()
