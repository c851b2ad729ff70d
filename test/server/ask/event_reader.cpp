#include <pgtally/server/ask/event_reader.hpp>

#include <boost/test/unit_test.hpp>

#include <vector>

BOOST_AUTO_TEST_SUITE(test_event_reader)

using namespace pgtally::server;

namespace {

constexpr std::string_view stream =
    "retry: 900\n\nevent: snapshot\nid: e-1\ndata: {\"a\":1}\n\n: comment\n\nevent: change\ndata: one\ndata: two\r\n\r\n"
    "data:three\n\n";

std::vector<std::string> all(event_reader& reader)
{
    std::vector<std::string> out;
    while (auto const event = reader.next()) out.push_back(event->name + '|' + event->data);
    return out;
}

std::vector<std::string> const expected{"snapshot|{\"a\":1}", "change|one\ntwo", "|three"};

}  // namespace

BOOST_AUTO_TEST_CASE(it_may_be_cut_anywhere)
{
    for (std::size_t piece = 1; piece <= stream.size(); ++piece) {
        event_reader reader{1000};
        std::vector<std::string> found;
        for (std::size_t at = 0; at < stream.size(); at += piece) {
            BOOST_TEST_REQUIRE(reader.add(stream.substr(at, piece)));
            for (auto& each : all(reader)) found.push_back(std::move(each));
        }
        BOOST_TEST(found == expected, boost::test_tools::per_element());
        BOOST_TEST(reader.last_id() == "e-1");
    }
}

BOOST_AUTO_TEST_CASE(an_id_counts_once_its_event_is_complete)
{
    event_reader reader{1000};
    BOOST_TEST(reader.add("id: 1\ndata: x\n\nid: 2\ndata: y\n"));
    BOOST_TEST(all(reader).size() == 1U);
    BOOST_TEST(reader.last_id() == "1");
    reader.start_over();  // the connection is lost in the middle of the second event
    BOOST_TEST(reader.last_id() == "1");
    BOOST_TEST(reader.add("data: z\n\n"));
    BOOST_TEST(all(reader) == std::vector<std::string>{"|z"}, boost::test_tools::per_element());
    BOOST_TEST(reader.last_id() == "1");
}

BOOST_AUTO_TEST_CASE(an_event_is_bounded)
{
    event_reader reader{20};
    BOOST_TEST(reader.add("data: 1234567890\n\n"));
    BOOST_TEST(all(reader).size() == 1U);
    BOOST_TEST(reader.add("data: 1234567890\n"));
    BOOST_TEST(all(reader).empty());
    BOOST_TEST(!reader.add("data: 1234567890\n"));
}

BOOST_AUTO_TEST_SUITE_END()
