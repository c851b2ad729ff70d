#include "../../cache/tallies.hpp"

#include <pgtally/server/push/shared_changes.hpp>

namespace pgtally::server {

BOOST_AUTO_TEST_SUITE(test_shared_changes)

using namespace pgtally::test;

namespace {

struct nobody final : cache::subscriber {
    void wake(cache::subscription&) override {}
};

}  // namespace

BOOST_AUTO_TEST_CASE(so_many_are_remembered)
{
    auto const counted = loaded_tally("10:20:");
    nobody who;
    cache::subscription::options all;
    all.all_keys = true;
    cache::subscription sub{*counted, who, all};
    cache::update first;
    sub.next(first, {});
    std::vector<cache::update> changes(3);
    for (std::uint64_t i = 0; i < 3; ++i) {
        counted->apply(deltas(30 + i, "33", 1, 0));
        sub.next(changes[i], {});
        BOOST_TEST_REQUIRE(changes[i].of_all_keys);
    }
    shared_changes shared{2};
    auto const text = shared.text_of(changes[0], sub);
    BOOST_TEST((shared.text_of(changes[0], sub) == text));
    shared.text_of(changes[1], sub);
    BOOST_TEST((shared.text_of(changes[0], sub) == text));
    BOOST_TEST(shared.encoded() == 2U);
    shared.text_of(changes[2], sub);
    BOOST_TEST(shared.encoded() == 3U);
    BOOST_TEST((shared.text_of(changes[0], sub) != text));
    BOOST_TEST(shared.encoded() == 4U);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace pgtally::server
