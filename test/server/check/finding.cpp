#include <pgtally/server/check/finding.hpp>

#include <boost/test/unit_test.hpp>

namespace pgtally::server {

BOOST_AUTO_TEST_SUITE(test_finding)

namespace {

finding const note{
    .check = "senders", .how_bad = finding::severity::note, .message = "somebody may", .remedy = "do not let them"};
finding const error{.check = "schema", .message = "none", .remedy = "install"};
finding const of_a_tally{.check = "tally",
                         .how_bad = finding::severity::warning,
                         .tally = "t",
                         .kind = "column_renamed",
                         .subject = "\"k\"",
                         .message = "it is named l",
                         .remedy = "reload"};

}  // namespace

BOOST_AUTO_TEST_CASE(a_note_is_no_reason_to_fail)
{
    BOOST_TEST(all_good({}));
    BOOST_TEST(all_good({note}));
    BOOST_TEST(!all_good({note, error}));
    BOOST_TEST(!all_good({of_a_tally}));
}

BOOST_AUTO_TEST_CASE(as_text)
{
    BOOST_TEST(text_of({note}) ==
               "nothing found that keeps counters from being exact or live\n"
               "note: senders: somebody may\n  remedy: do not let them\n");
    BOOST_TEST(text_of({error, of_a_tally}) ==
               "error: schema: none\n  remedy: install\n"
               "warning: column_renamed: tally t: it is named l\n  remedy: reload\n");
}

BOOST_AUTO_TEST_CASE(as_json)
{
    BOOST_TEST(json_of(findings{}) == "{\"ok\":true,\"findings\":[]}\n");
    BOOST_TEST(json_of(findings{note, of_a_tally}) ==
               R"({"ok":false,"findings":[{"check":"senders","kind":"senders","severity":"note","subject":"",)"
               R"("message":"somebody may","remedy":"do not let them"},)"
               R"({"check":"tally","kind":"column_renamed","severity":"warning","tally":"t","subject":"\"k\"",)"
               R"("message":"it is named l","remedy":"reload"}]})"
               "\n");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace pgtally::server
