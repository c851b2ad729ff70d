#include <pgtally/server/base/handed_over.hpp>

#include <boost/test/unit_test.hpp>

#include <map>

namespace pgtally::server {

namespace {

// "3:a 4:" of the sockets that process 42 gets.
std::string shown(std::map<std::string, std::string> const& environment)
{
    auto const getenv = [&](std::string const& name) {
        auto const at = environment.find(name);
        return at == environment.end() ? std::nullopt : std::optional{at->second};
    };
    std::string out;
    for (auto const& each : handed_over_to(42, getenv)) {
        if (!out.empty()) out += ' ';
        out += std::to_string(each.descriptor) + ':' + each.name;
    }
    return out;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(test_handed_over)

BOOST_AUTO_TEST_CASE(sockets_and_their_names)
{
    BOOST_TEST(shown({{"LISTEN_FDS", "1"}, {"LISTEN_PID", "42"}}) == "3:");
    BOOST_TEST(shown({{"LISTEN_FDS", "3"}, {"LISTEN_PID", "42"}, {"LISTEN_FDNAMES", "public:admin"}}) ==
               "3:public 4:admin 5:");
}

BOOST_AUTO_TEST_CASE(what_is_meant_for_somebody_else_or_makes_no_sense)
{
    BOOST_TEST(shown({}) == "");
    BOOST_TEST(shown({{"LISTEN_FDS", "1"}}) == "");
    BOOST_TEST(shown({{"LISTEN_FDS", "1"}, {"LISTEN_PID", "43"}}) == "");
    for (auto const* const count : {"", "0", "-1", "x", "1x", "65", "99999999999999999999"})
        BOOST_TEST(shown({{"LISTEN_FDS", count}, {"LISTEN_PID", "42"}}) == "");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace pgtally::server
