#define BOOST_TEST_MODULE pgtally
#include <boost/test/unit_test.hpp>
