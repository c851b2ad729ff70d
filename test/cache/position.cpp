#include <pgtally/cache/position.hpp>
#include <pgtally/test/cache/tallies.hpp>

using namespace pgtally::cache;
using namespace pgtally::test;

BOOST_AUTO_TEST_SUITE(test_position)

BOOST_AUTO_TEST_CASE(its_text)
{
    std::string const epoch{"01234567-89ab-8def-8123-456789abcdef"};
    for (std::uint64_t const revision : {0UL, 7UL, 18446744073709551615UL}) {
        auto const read = parse_position(to_text({epoch, revision}));
        BOOST_TEST_REQUIRE(read.has_value());
        BOOST_TEST(read->epoch == epoch);
        BOOST_TEST(read->revision == revision);
    }
    auto const wrong = {"", "-01", "-1x", "-18446744073709551616", "--1", "1", "-", "- 1", "-+1"};
    for (std::string const text : wrong) BOOST_TEST_CONTEXT(text) BOOST_TEST(!parse_position(epoch + text).has_value());
    BOOST_TEST(!parse_position("").has_value());
    BOOST_TEST(!parse_position("01234567-89AB-8def-8123-456789abcdef-1").has_value());
    BOOST_TEST(!parse_position("01234567089ab-8def-8123-456789abcdef-1").has_value());
}

BOOST_AUTO_TEST_CASE(a_live_tally)
{
    auto const t = loaded_tally("10:10:");
    t->apply(deltas(11, "33", 1, 0));
    auto const revision = t->revision();
    BOOST_TEST((arrival_at(*t, {t->epoch(), revision}) == arrival::reached));
    BOOST_TEST((arrival_at(*t, {t->epoch(), revision - 1}) == arrival::reached));
    BOOST_TEST((arrival_at(*t, {t->epoch(), revision + 1}) == arrival::not_yet));
    BOOST_TEST((arrival_at(*t, {"another", 0}) == arrival::other_epoch));
}

// It may lack a part of its last transaction, and have another epoch when it is live again.
BOOST_AUTO_TEST_CASE(a_tally_that_is_not_live_has_reached_nothing)
{
    auto const t = loaded_tally("10:10:");
    t->apply(deltas(11, "33", 1, 0));
    auto const revision = t->revision();
    t->lost(reason{reason::kind::missed_events});
    BOOST_TEST((arrival_at(*t, {t->epoch(), revision}) == arrival::not_yet));
    BOOST_TEST((arrival_at(*t, {"another", 0}) == arrival::not_yet));
    BOOST_TEST((arrival_at(*t, {"another", 0}, true) == arrival::other_epoch));
    BOOST_TEST((arrival_at(*t, {t->epoch(), revision}, true) == arrival::not_yet));
    tally const fresh{tweets(), {}};
    BOOST_TEST((arrival_at(fresh, {"another", 0}, true) == arrival::not_yet));
}

BOOST_AUTO_TEST_SUITE_END()
