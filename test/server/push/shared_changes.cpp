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
    shared_changes shared{2, 4};
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

namespace {

// A client of some keys, which has its snapshot.
struct client final : cache::subscriber {
    client(cache::tally& of, std::vector<std::int64_t> const& keys) : sub{of, *this, {}}
    {
        for (auto const k : keys) sub.track(number(k));
        sub.next(last, {});
    }
    void wake(cache::subscription&) override {}

    std::shared_ptr<std::string const> change(shared_changes& shared)
    {
        sub.next(last, {});
        BOOST_TEST_REQUIRE((last.what == cache::update::kind::change));
        return shared.text_of(last, sub);
    }

    cache::subscription sub;
    cache::update last;
};

}  // namespace

BOOST_AUTO_TEST_CASE(clients_of_the_same_keys_share_a_change)
{
    auto const counted = loaded_tally("10:20:");
    shared_changes shared{4, 4};
    client one{*counted, {33}}, same{*counted, {33, 35}}, other{*counted, {34}}, both{*counted, {33, 34}};
    counted->apply(deltas(30, "33", 1, 0));
    counted->apply(deltas(31, "34", 1, 0));
    auto const text = one.change(shared);
    BOOST_TEST((same.change(shared) == text));
    BOOST_TEST(shared.encoded() == 1U);
    auto const of_other = other.change(shared), of_both = both.change(shared);
    BOOST_TEST((*text != *of_other && *text != *of_both && *of_other != *of_both));
    BOOST_TEST(shared.encoded() == 3U);
    // A text that somebody has stays, though another one takes its place.
    auto const before = *text;
    counted->apply(deltas(32, "33", 1, 0));
    BOOST_TEST(*one.change(shared) != before);
    BOOST_TEST(*text == before);
    BOOST_TEST(shared.encoded() == 4U);
    // And one that nobody has any more lends its storage.
    counted->apply(deltas(33, "33", 1, 0));
    auto const newest = one.change(shared);
    auto const begins = R"("revision":)" + std::to_string(counted->revision()) + R"(,"keys":{"33":)";
    BOOST_TEST(newest->starts_with(begins));
    BOOST_TEST(*text == before);
}

// Tallies may have rows at the same place, and by `wal` the same revision.
BOOST_AUTO_TEST_CASE(changes_of_other_tallies_and_epochs_are_others)
{
    shared_changes shared{4, 4};
    auto const first = loaded_tally("10:20:"), second = loaded_tally("10:20:");
    client one{*first, {33}}, other{*second, {33}};
    first->apply(deltas(30, "33", 1, 0));
    second->apply(deltas(30, "33", 7, 0));
    BOOST_TEST_REQUIRE(first->revision() == second->revision());
    auto const text = one.change(shared);
    BOOST_TEST(*other.change(shared) != *text);
}

BOOST_AUTO_TEST_CASE(a_key_without_a_row_is_not_shared)
{
    auto const counted = loaded_tally("10:20:");
    shared_changes shared{4, 4};
    client one{*counted, {1}}, other{*counted, {2}};
    cache::update gone;
    gone.items = {{cache::counter_table::none, 0}};
    BOOST_TEST(*shared.text_of(gone, one.sub) != *shared.text_of(gone, other.sub));
}

BOOST_AUTO_TEST_CASE(more_keys_than_the_limit_are_encoded_for_each)
{
    auto const counted = loaded_tally("10:20:");
    shared_changes few{4, 1}, none{0, 4};
    client one{*counted, {33, 34}}, same{*counted, {33, 34}};
    counted->apply(deltas(30, "33", 1, 0));
    counted->apply(deltas(30, "34", 1, 0));
    BOOST_TEST(*one.change(few) == *same.change(few));
    BOOST_TEST(few.encoded() == 2U);
    counted->apply(deltas(31, "33", 1, 0));
    BOOST_TEST(*one.change(none) == *same.change(none));
    BOOST_TEST(none.encoded() == 2U);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace pgtally::server
