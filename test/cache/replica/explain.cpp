#include <pgtally/cache/replica/explain.hpp>

#include <boost/test/unit_test.hpp>

namespace pgtally {

BOOST_AUTO_TEST_SUITE(test_explain)

namespace {

db::error server_error(char const* state)
{
    db::diagnostics said;
    said.state = db::sqlstate(state);
    return {db::errc::server_error, "query on h failed: why (" + std::string{state} + ")", said};
}

bool says(std::string const& text, char const* words)
{
    return text.find(words) != std::string::npos;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_missing_schema_is_named_as_such)
{
    for (auto const* const state : {"3F000", "42883", "42P01"}) {
        BOOST_TEST(explain(server_error(state)) ==
                   "schema tally is not installed in this database: run pgtally install");
    }
}

BOOST_AUTO_TEST_CASE(rights_in_the_schema_are_granted_by_install_and_those_of_a_login_are_not)
{
    BOOST_TEST(says(explain(server_error("42501")), "by pgtally install --grant"));
    db::diagnostics said;
    said.state = db::sqlstate("42501");
    BOOST_TEST(!says(explain({db::errc::login_failed, "connect failed", said}), "pgtally install"));
}

BOOST_AUTO_TEST_CASE(a_remedy_is_said_once)
{
    auto const once = explain(server_error("25006"));
    BOOST_TEST(says(once, "name the primary"));
    BOOST_TEST(with_remedy(once, "") == once);
    BOOST_TEST(with_remedy("a failure; do this, and more", "do this") == "a failure; do this, and more");
    BOOST_TEST(with_remedy("a failure", "do this") == "a failure; do this");
}

BOOST_AUTO_TEST_CASE(an_error_without_advice_stays_as_it_is)
{
    BOOST_TEST(explain(server_error("XX000")) == "query on h failed: why (XX000)");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace pgtally
