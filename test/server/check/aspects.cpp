#include <pgtally/server/check/aspects.hpp>
#include <pgtally/server/check/meanings.hpp>
#include <pgtally/server/check/wrapped.hpp>

#include <boost/test/unit_test.hpp>

#include <sstream>

BOOST_AUTO_TEST_SUITE(test_aspects)

using namespace pgtally::server;

BOOST_AUTO_TEST_CASE(every_kind_has_a_meaning)
{
    std::size_t seen = 0;
    for (auto const of : {examination::subject::database, examination::subject::server}) {
        for (auto const& each : aspects_of(of)) {
            std::istringstream kinds{std::string{each.kinds}};
            for (std::string kind; kinds >> kind; ++seen) {
                finding const one{.check = each.group, .kind = kind};
                BOOST_TEST(!meaning_of(one).empty(), kind);
                BOOST_TEST(belongs(one, each), kind);
            }
        }
    }
    BOOST_TEST(seen > 60U);
    BOOST_TEST(meaning_of({.check = "tally", .kind = "of a newer schema"}).empty());
}

BOOST_AUTO_TEST_CASE(groups_of_checks)
{
    BOOST_TEST(group_of({.check = "standby"}) == "server");
    BOOST_TEST(group_of({.check = "pooler"}) == "notify");
    BOOST_TEST(group_of({.check = "tally"}) == "tally");
    // One word means two things.
    finding const of_wal{.check = "tally", .kind = "senders"}, of_roles{.check = "senders"};
    BOOST_TEST(meaning_of(of_wal) != meaning_of(of_roles));
}

BOOST_AUTO_TEST_CASE(texts_are_wrapped_at_spaces)
{
    BOOST_TEST(wrapped("a bc d", 0, 2, 0) == "a bc d");
    BOOST_TEST(wrapped("a bc d", 0, 2, 4) == "a bc\n  d");
    BOOST_TEST(wrapped("a bc d", 3, 2, 4) == "a\n  bc\n  d");
    BOOST_TEST(wrapped("longer than it is", 0, 1, 3) == "longer\n than\n it\n is");
    BOOST_TEST(wrapped("für é", 0, 0, 5) == "für é");  // columns, not bytes
    BOOST_TEST(wrapped("", 0, 2, 10) == "");
}

BOOST_AUTO_TEST_CASE(statements)
{
    BOOST_TEST(is_statement("select tally.reload('t')"));
    BOOST_TEST(is_statement("alter role x replication"));
    BOOST_TEST(!is_statement("selected rows"));
    BOOST_TEST(!is_statement("end the session"));
}

BOOST_AUTO_TEST_SUITE_END()
