#include "../../tools/lab/dsn.hpp"

#include <boost/test/unit_test.hpp>

BOOST_AUTO_TEST_SUITE(test_lab_dsn)

BOOST_AUTO_TEST_CASE(application_name_is_added_to_keywords)
{
    using pgtally::lab::with_application_name;
    BOOST_TEST(with_application_name("", "the lab") == "application_name='the lab'");
    BOOST_TEST(with_application_name("host=h", "the lab") == "host=h application_name='the lab'");
}

BOOST_AUTO_TEST_CASE(application_name_is_added_to_a_uri)
{
    using pgtally::lab::with_application_name;
    BOOST_TEST(with_application_name("postgresql://h/db", "the lab") == "postgresql://h/db?application_name=the%20lab");
    BOOST_TEST(with_application_name("postgres://h/db?sslmode=disable", "lab") ==
               "postgres://h/db?sslmode=disable&application_name=lab");
}

BOOST_AUTO_TEST_SUITE_END()
