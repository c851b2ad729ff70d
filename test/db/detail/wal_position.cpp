#include <pgtally/db/detail/wal_position.hpp>

#include <boost/test/unit_test.hpp>

using namespace pgtally::db;
using pgtally::db::detail::wal_position;

BOOST_AUTO_TEST_SUITE(test_wal_position)

BOOST_AUTO_TEST_CASE(begins_where_the_slot_does)
{
    wal_position const at(lsn{100});
    BOOST_TEST((at.now(false, lsn{}) == lsn{100}));
    BOOST_TEST((at.now(true, lsn{}) == lsn{100}));
}

BOOST_AUTO_TEST_CASE(moves_with_the_server_if_there_is_nothing_to_confirm)
{
    wal_position at(lsn{100});
    at.passed(lsn{300});
    BOOST_TEST((at.now(false, lsn{}) == lsn{300}));
    at.passed(lsn{200});
    BOOST_TEST((at.now(false, lsn{}) == lsn{300}));
}

BOOST_AUTO_TEST_CASE(stands_still_while_something_is_unsettled)
{
    wal_position at(lsn{100});
    at.passed(lsn{300});
    BOOST_TEST((at.now(true, lsn{}) == lsn{100}));
}

BOOST_AUTO_TEST_CASE(what_was_fetched_must_be_confirmed)
{
    wal_position at(lsn{100});
    at.passed(lsn{300});
    BOOST_TEST((at.now(false, lsn{250}) == lsn{100}));
    at.confirm(lsn{240}, lsn{250});
    BOOST_TEST((at.now(false, lsn{250}) == lsn{240}));
    at.confirm(lsn{250}, lsn{250});
    BOOST_TEST((at.now(false, lsn{250}) == lsn{300}));
    BOOST_TEST((at.now(true, lsn{250}) == lsn{250}));
}

BOOST_AUTO_TEST_CASE(confirms_no_more_than_was_fetched)
{
    wal_position at(lsn{100});
    at.passed(lsn{300});
    at.confirm(lsn{1000}, lsn{200});
    BOOST_TEST((at.now(true, lsn{200}) == lsn{200}));
    BOOST_TEST((at.now(false, lsn{250}) == lsn{200}));
}

BOOST_AUTO_TEST_CASE(never_goes_back)
{
    wal_position at(lsn{100});
    at.passed(lsn{300});
    at.report(at.now(false, lsn{}));
    BOOST_TEST((at.reported() == lsn{300}));
    at.confirm(lsn{250}, lsn{400});
    BOOST_TEST((at.now(false, lsn{400}) == lsn{300}));
    at.report(lsn{200});
    BOOST_TEST((at.reported() == lsn{300}));
}

BOOST_AUTO_TEST_SUITE_END()
