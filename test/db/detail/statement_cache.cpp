#include <pgtally/db/detail/statement_cache.hpp>

#include <boost/test/unit_test.hpp>

BOOST_AUTO_TEST_SUITE(test_statement_cache)

using pgtally::db::detail::statement_cache;

BOOST_AUTO_TEST_CASE(text_is_fresh_once)
{
    statement_cache cache(10);
    auto const first = cache.take("select 1");
    BOOST_TEST(first.fresh);
    BOOST_TEST(!first.displaced);
    auto const second = cache.take("select 1");
    BOOST_TEST(!second.fresh);
    BOOST_TEST((second.statement == first.statement));
    auto const other = cache.take("select 2");
    BOOST_TEST(other.fresh);
    BOOST_TEST((other.statement != first.statement));
    BOOST_TEST(cache.size() == 2u);
}

BOOST_AUTO_TEST_CASE(least_recently_used_makes_room)
{
    statement_cache cache(2);
    auto const a = cache.take("a").statement;
    auto const b = cache.take("b").statement;
    BOOST_TEST(!cache.take("a").fresh);
    auto const c = cache.take("c");
    BOOST_TEST((c.displaced == b));
    BOOST_TEST(!cache.take("a").fresh);
    auto const again = cache.take("b");
    BOOST_TEST(again.fresh);
    BOOST_TEST((again.statement != b));
    BOOST_TEST((again.displaced == c.statement));
    BOOST_TEST(cache.size() == 2u);
    BOOST_TEST((cache.take("a").statement == a));
}

BOOST_AUTO_TEST_CASE(limit_is_at_least_one)
{
    statement_cache cache(0);
    auto const a = cache.take("a");
    BOOST_TEST(!cache.take("a").fresh);
    BOOST_TEST((cache.take("b").displaced == a.statement));
}

BOOST_AUTO_TEST_CASE(forgets_only_the_statement_that_it_is_told)
{
    statement_cache cache(10);
    auto const old = cache.take("a").statement;
    BOOST_TEST(cache.forget("a", old));
    BOOST_TEST(!cache.forget("a", old));
    BOOST_TEST(!cache.forget("never seen", old));
    auto const renewed = cache.take("a");
    BOOST_TEST(renewed.fresh);
    BOOST_TEST((renewed.statement != old));
    BOOST_TEST(!cache.forget("a", old));  // a late answer about the old one
    BOOST_TEST(!cache.take("a").fresh);
}

BOOST_AUTO_TEST_CASE(cleared_prepares_anew_under_new_names)
{
    statement_cache cache(10);
    auto const before = cache.take("a").statement;
    cache.clear();
    BOOST_TEST(cache.size() == 0u);
    auto const after = cache.take("a");
    BOOST_TEST(after.fresh);
    BOOST_TEST(statement_cache::name(before) == "pgt_1");
    BOOST_TEST(statement_cache::name(after.statement) == "pgt_2");
}

BOOST_AUTO_TEST_SUITE_END()
