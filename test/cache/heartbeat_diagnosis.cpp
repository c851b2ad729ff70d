#include <pgtally/cache/heartbeat_diagnosis.hpp>
#include <pgtally/cache/problem_news.hpp>

#include <boost/test/unit_test.hpp>

#include <string>
#include <vector>

using pgtally::heartbeat_signs;
using pgtally::news_of;
using pgtally::why_deaf;
using pgtally::cache::reason;
using strings = std::vector<std::string>;

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

BOOST_AUTO_TEST_CASE(news_are_what_one_has_and_the_other_has_not)
{
    auto const news = news_of(strings{"a", "b"}, strings{"c", "b"});
    BOOST_TEST(news.appeared == strings{"c"}, boost::test_tools::per_element());
    BOOST_TEST(news.gone == strings{"a"}, boost::test_tools::per_element());
    BOOST_TEST(!news.none());
}

BOOST_AUTO_TEST_CASE(the_same_in_another_order_is_no_news)
{
    BOOST_TEST(news_of(strings{"a", "b"}, strings{"b", "a"}).none());
    BOOST_TEST(news_of({}, {}).none());
}

BOOST_AUTO_TEST_CASE(partitions_that_come_or_go_are_told_from_triggers)
{
    using pgtally::concerns_partitions;
    strings const without{"partition public.vote_2 has no insert trigger, its changes are not counted; remedy: r"};
    strings const left{"public.vote_1 is no part of the source any more, but its changes are counted; remedy: r"};
    strings const disabled{"the insert trigger of public.vote_2 is disabled; remedy: r",
                           "source public.vote has no insert trigger, its changes are not counted; remedy: r"};
    BOOST_TEST(concerns_partitions(news_of({}, without)));
    BOOST_TEST(concerns_partitions(news_of(without, {})));
    BOOST_TEST(concerns_partitions(news_of({}, left)));
    BOOST_TEST(!concerns_partitions(news_of({}, disabled)));
    BOOST_TEST(!concerns_partitions(news_of(disabled, {})));
    BOOST_TEST(!concerns_partitions(news_of(left, left)));
}

BOOST_AUTO_TEST_SUITE_END()
