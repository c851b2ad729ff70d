#include <pgtally/server/auth/rights.hpp>

#include <boost/test/unit_test.hpp>

#include <ostream>

namespace pgtally::server {

static std::ostream& operator<<(std::ostream& to, access what)
{
    switch (what) {
        case access::allowed: return to << "allowed";
        case access::no_token: return to << "no token";
        case access::hidden: return to << "hidden";
        case access::not_allowed: return to << "not allowed";
    }
    return to;
}

BOOST_AUTO_TEST_SUITE(test_rights)

BOOST_AUTO_TEST_CASE(without_a_token_what_is_public)
{
    rights of;
    of.add_public({"tweets"});
    BOOST_TEST(of.to_tally("tweets") == access::allowed);
    BOOST_TEST(of.to_whole("tweets") == access::allowed);
    BOOST_TEST(of.to_key("tweets", "1") == access::allowed);
    BOOST_TEST(of.to_act("tweets", "fav", "1") == access::no_token);
    // Nobody learns which others there are.
    BOOST_TEST(of.to_tally("mine") == access::no_token);
    BOOST_TEST(of.to_key("mine", "1") == access::no_token);
    BOOST_TEST(!of.reads_everything());
    of.add_public({"*"});
    BOOST_TEST(of.to_whole("mine") == access::allowed);
    BOOST_TEST(of.to_act("mine", "like", "1") == access::no_token);
    BOOST_TEST(of.reads_everything());
}

BOOST_AUTO_TEST_CASE(keys_and_prefixes_give_those_keys_only)
{
    rights of;
    of.set_by_token();
    of.add_keys("x", {"1", ""});
    of.add_prefix("x", "u42/");
    BOOST_TEST(of.to_tally("x") == access::allowed);
    BOOST_TEST(of.to_whole("x") == access::not_allowed);
    for (auto const* const key : {"1", "", "u42/", "u42/7"}) BOOST_TEST(of.to_key("x", key) == access::allowed);
    for (auto const* const key : {"11", "u4", "u42", "U42/7", "xu42/7"})
        BOOST_TEST(of.to_key("x", key) == access::not_allowed);
    BOOST_TEST(of.to_key("y", "1") == access::hidden);
    BOOST_TEST(of.to_tally("y") == access::hidden);
}

BOOST_AUTO_TEST_CASE(an_action_needs_its_key_too)
{
    rights of;
    of.set_by_token();
    of.add_prefix("mine", "u42/");
    of.add_action("mine", "like");
    of.add_action("polls", "*");
    BOOST_TEST(of.to_act("mine", "like", "u42/7") == access::allowed);
    BOOST_TEST(of.to_act("mine", "like", "u43/7") == access::not_allowed);
    BOOST_TEST(of.to_act("mine", "drop", "u42/7") == access::not_allowed);
    BOOST_TEST(of.to_act("polls", "vote", "1") == access::hidden);
    of.add_public({"polls"});
    BOOST_TEST(of.to_act("polls", "vote", "1") == access::allowed);
}

BOOST_AUTO_TEST_CASE(everything)
{
    auto const of = rights::everything();
    BOOST_TEST(of->to_whole("x") == access::allowed);
    BOOST_TEST(of->to_act("x", "like", "1") == access::allowed);
    BOOST_TEST(of->reads_everything());
    BOOST_TEST(!of->by_token());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace pgtally::server
