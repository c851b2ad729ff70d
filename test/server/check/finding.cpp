#include <pgtally/server/check/finding.hpp>

#include <boost/test/unit_test.hpp>

namespace pgtally::server {

BOOST_AUTO_TEST_SUITE(test_finding)

BOOST_AUTO_TEST_CASE(a_note_is_no_reason_to_fail)
{
    finding const note{.check = "senders", .how_bad = finding::severity::note};
    finding const error{.check = "schema"};
    finding const warning{
        .check = "tally", .how_bad = finding::severity::warning, .tally = "t", .kind = "column_renamed"};
    BOOST_TEST(all_good(findings{}));
    BOOST_TEST(all_good(findings{note}));
    BOOST_TEST(!all_good(findings{note, error}));
    BOOST_TEST(!all_good(findings{warning}));
    BOOST_TEST(kind_of(error) == "schema");
    BOOST_TEST(kind_of(warning) == "column_renamed");
    BOOST_TEST(word_of(error.how_bad) == "error");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace pgtally::server
