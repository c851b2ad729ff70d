#include <pgtally/cache/heartbeat_diagnosis.hpp>

#include <boost/test/unit_test.hpp>

#include <string>

using pgtally::heartbeat_signs;
using pgtally::why_deaf;
using pgtally::cache::reason;

namespace {

bool says(std::string const& text, char const* words)
{
    return text.find(words) != std::string::npos;
}

reason trouble(char const* text)
{
    return {reason::kind::unreachable, text};
}

}  // namespace

BOOST_AUTO_TEST_SUITE(test_deafness)

BOOST_AUTO_TEST_CASE(what_was_never_sent_cannot_come_back)
{
    BOOST_TEST(says(why_deaf({.sent = false, .pooled = true, .trouble = trouble("out of connections (53300)")}).text(),
                    "(53300)"));
    BOOST_TEST(says(why_deaf({.sent = false, .pooled = false, .trouble = {}}).text(), "does not answer"));
}

BOOST_AUTO_TEST_CASE(a_pooler_is_named_and_what_to_do)
{
    auto const why = why_deaf({.sent = true, .pooled = true, .trouble = {}}).text();
    BOOST_TEST(says(why, "a pooler in between"));
    BOOST_TEST(says(why, "session mode"));
}

BOOST_AUTO_TEST_CASE(without_a_sign_of_a_pooler_none_is_named)
{
    auto const why = why_deaf({.sent = true, .pooled = false, .trouble = trouble("an old one")}).text();
    BOOST_TEST(says(why, "no notification is delivered"));
    BOOST_TEST(says(why, "one server"));
    BOOST_TEST(!says(why, "pooler"));
    BOOST_TEST(!says(why, "an old one"));
}

BOOST_AUTO_TEST_SUITE_END()
