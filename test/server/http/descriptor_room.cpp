#include <pgtally/server/http/descriptor_room.hpp>

#include <boost/test/unit_test.hpp>

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <vector>

BOOST_AUTO_TEST_SUITE(test_descriptor_room)

using pgtally::server::descriptors_kept;
using pgtally::server::room_for_client;

BOOST_AUTO_TEST_CASE(kept_at_most_half)
{
    BOOST_TEST(descriptors_kept(1'024, 64) == 64U);
    BOOST_TEST(descriptors_kept(128, 64) == 64U);
    BOOST_TEST(descriptors_kept(100, 64) == 50U);
    BOOST_TEST(descriptors_kept(0, 64) == 0U);
}

BOOST_AUTO_TEST_CASE(room_until_only_the_kept_ones_are_left)
{
    rlimit before{};
    BOOST_TEST_REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
    int const first = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    BOOST_TEST_REQUIRE(first >= 0);
    auto const limit = static_cast<rlim_t>(first) + 20;
    rlimit const low{limit, before.rlim_max};
    BOOST_TEST_REQUIRE(::setrlimit(RLIMIT_NOFILE, &low) == 0);
    std::vector<int> opened;
    while (opened.size() < 20 && room_for_client(first, 5)) opened.push_back(::dup(first));
    // The numbers from `limit` - 5 on are kept; the process may have opened some of the others before.
    BOOST_TEST_REQUIRE(!opened.empty());
    for (int const each : opened) BOOST_TEST(each < static_cast<int>(limit) - 5);
    int const kept = ::dup(first);
    BOOST_TEST(kept >= static_cast<int>(limit) - 5);
    ::close(kept);
    ::close(opened.back());
    BOOST_TEST(room_for_client(first, 5));
    opened.pop_back();
    for (int const each : opened) ::close(each);
    ::close(first);
    ::setrlimit(RLIMIT_NOFILE, &before);
}

BOOST_AUTO_TEST_SUITE_END()
