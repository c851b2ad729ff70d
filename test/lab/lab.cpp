#include "../../tools/lab/budget.hpp"
#include "../../tools/lab/compare.hpp"
#include "../../tools/lab/http_address.hpp"
#include "../../tools/lab/reading_table.hpp"
#include "../../tools/lab/report.hpp"
#include "../../tools/lab/statistics.hpp"
#include "../../tools/lab/write_log.hpp"

#include <boost/json/serialize.hpp>
#include <boost/test/unit_test.hpp>

#include <cstdlib>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using namespace pgtally::lab;
using std::chrono::microseconds;

std::string printed(table const& which)
{
    std::ostringstream out;
    which.print(out);
    return out.str();
}

}  // namespace

BOOST_AUTO_TEST_SUITE(test_lab)

BOOST_AUTO_TEST_CASE(percentile_is_a_time_that_was_measured)
{
    std::vector<microseconds> times;
    for (int i = 100; i >= 1; --i) times.emplace_back(i);
    BOOST_TEST(percentile(times, 0.5).count() == 50);
    BOOST_TEST(percentile(times, 0.99).count() == 99);
    BOOST_TEST(percentile(times, 1).count() == 100);
    BOOST_TEST(percentile(times, 0).count() == 1);
    std::vector<microseconds> two{microseconds{7}, microseconds{3}};
    BOOST_TEST(percentile(two, 0.5).count() == 3);
    BOOST_TEST(percentile(two, 0.51).count() == 7);
}

BOOST_AUTO_TEST_CASE(percentile_of_nothing_is_0)
{
    std::vector<microseconds> none;
    BOOST_TEST(percentile(none, 0.5).count() == 0);
    BOOST_TEST(per_second(5, std::chrono::seconds{0}) == 0.0);
    BOOST_TEST(per_second(5, std::chrono::milliseconds{500}) == 10.0);
}

BOOST_AUTO_TEST_CASE(samples_keep_all_until_they_are_too_many)
{
    samples<int> some(4);
    for (int i = 0; i < 4; ++i) some.add(i);
    BOOST_TEST(some.kept() == 4U);
    BOOST_TEST(some.at(0.5) == 1);
    some.add(4);  // 0, 2 stay
    BOOST_TEST(some.kept() == 3U);
    some.add(5);
    BOOST_TEST(some.kept() == 3U);
    BOOST_TEST(some.added() == 6U);
    BOOST_TEST(some.greatest() == 5);
    BOOST_TEST(some.at(1) == 4);
}

BOOST_AUTO_TEST_CASE(samples_stay_within_their_limit_and_spread_over_all)
{
    samples<int> some(100);
    for (int i = 0; i < 100'000; ++i) some.add(i);
    BOOST_TEST(some.kept() <= 100U);
    BOOST_TEST(some.kept() >= 50U);
    BOOST_TEST(some.greatest() == 99'999);
    BOOST_TEST(std::abs(some.at(0.5) - 50'000) < 2'000);
    samples<int> none(100);
    BOOST_TEST(none.at(0.5) == 0);
    BOOST_TEST(none.greatest() == 0);
}

BOOST_AUTO_TEST_CASE(number_is_as_old_as_the_first_write_that_it_lacks)
{
    write_log log(3);
    auto const at = [](int ms) { return write_log::clock::time_point(std::chrono::milliseconds(ms)); };
    BOOST_TEST(log.lacks(0, at(5)).writes == 0);
    log.acknowledge(at(10));
    log.acknowledge(at(20));
    BOOST_TEST(!log.full());
    log.acknowledge(at(30));
    BOOST_TEST(log.full());
    auto const one = log.lacks(1, at(50));
    BOOST_TEST(one.writes == 2);
    BOOST_CHECK(one.age == std::chrono::milliseconds(30));
    BOOST_CHECK(log.lacks(-1, at(50)).age == std::chrono::milliseconds(40));
    for (int const ahead : {3, 4}) {  // committed, and not acknowledged yet
        BOOST_TEST(log.lacks(ahead, at(50)).writes == 0);
        BOOST_CHECK(log.lacks(ahead, at(50)).age == std::chrono::milliseconds(0));
    }
}

BOOST_AUTO_TEST_CASE(row_of_a_way_without_reads_has_no_times)
{
    reading_options chosen;
    chosen.seconds = std::chrono::seconds{2};
    reads done;
    done.written = 10;
    done.exact = true;
    auto all = empty_reading_table();
    all.add(reading_row("view", done, chosen, "odd"));
    done.latencies.add(std::chrono::microseconds(1'500));
    done.ages.add(std::chrono::milliseconds(20));
    done.behinds.add(3);
    all.add(reading_row("other", done, chosen, ""));
    all.add(absent_row("http", "nobody there"));
    BOOST_TEST(
        boost::json::serialize(all.to_json()) ==
        R"([{"way":"view","reads_per_second":0,"p50_ms":null,"p99_ms":null,"age_p50_ms":null,"age_p99_ms":null,)"
        R"("age_max_ms":null,"behind_p50":null,"behind_max":null,"writes_per_second":5,"written":10,"exact":true,)"
        R"("remark":"odd"},{"way":"other","reads_per_second":1,"p50_ms":1.5E0,"p99_ms":1.5E0,"age_p50_ms":2E1,)"
        R"("age_p99_ms":2E1,"age_max_ms":2E1,"behind_p50":3,"behind_max":3,"writes_per_second":5,"written":10,)"
        R"("exact":true,"remark":""},{"way":"http","reads_per_second":null,"p50_ms":null,"p99_ms":null,)"
        R"("age_p50_ms":null,"age_p99_ms":null,"age_max_ms":null,"behind_p50":null,"behind_max":null,)"
        R"("writes_per_second":null,"written":null,"exact":null,"remark":"absent: nobody there"}])");
}

BOOST_AUTO_TEST_CASE(address_of_a_server_is_a_host_and_a_port)
{
    auto const here = read_http_address("http://127.0.0.1:8080/");
    BOOST_TEST(here.value().host == "127.0.0.1");
    BOOST_TEST(here.value().port == "8080");
    BOOST_TEST(read_http_address("http://db.example").value().port == "80");
    BOOST_TEST(read_http_address("http://[::1]:81").value().host == "::1");
    BOOST_TEST(!read_http_address("http://h/v1").has_value());
    BOOST_TEST(!read_http_address("ws://h").has_value());
}

BOOST_AUTO_TEST_CASE(table_is_aligned_by_characters_not_bytes)
{
    table some(std::vector<column>{{"name", "name"}, {"rts", "rts", align::right}});
    some.add({words("caf\xC3\xA9 au lait"), number(1234567)});
    some.add({words(""), nothing()});
    BOOST_TEST(printed(some) ==
               "name                rts\n"
               "------------  ---------\n"
               "caf\xC3\xA9 au lait  1,234,567\n"
               "                      -\n");
}

BOOST_AUTO_TEST_CASE(table_has_cells_of_several_lines)
{
    table some(std::vector<column>{{"a", "a"}, {"b", "b"}});
    some.add({{boost::json::value("x"), "one\ntwo"}, words("three")});
    BOOST_TEST(printed(some) ==
               "a    b\n"
               "---  -----\n"
               "one  three\n"
               "two\n");
}

BOOST_AUTO_TEST_CASE(table_as_json_has_values_not_texts)
{
    table some(std::vector<column>{{"what it is", "what"}, {"n", "n"}, {"x", "x"}, {"ok", "ok"}, {"none", "none"}});
    some.add({words("a"), number(-12345), decimal(1.256, 2), yes_or_no(true), nothing()});
    BOOST_TEST(boost::json::serialize(some.to_json()) ==
               R"([{"what":"a","n":-12345,"x":1.26E0,"ok":true,"none":null}])");
}

BOOST_AUTO_TEST_CASE(table_refuses_a_row_of_another_length)
{
    table some(std::vector<column>{{"a", "a"}});
    BOOST_CHECK_THROW(some.add({words("x"), words("y")}), std::invalid_argument);
}

BOOST_AUTO_TEST_CASE(numbers_are_grouped_by_three)
{
    BOOST_TEST(number(0).text == "0");
    BOOST_TEST(number(999).text == "999");
    BOOST_TEST(number(-999).text == "-999");
    BOOST_TEST(number(1000).text == "1,000");
    BOOST_TEST(number(-100000).text == "-100,000");
}

BOOST_AUTO_TEST_CASE(paragraphs_are_broken_between_words)
{
    auto const lines = wrap("one two  three exceptionally four", 9);
    auto const expected = std::vector<std::string>{"one two", "three", "exceptionally", "four"};
    BOOST_TEST(lines == expected, boost::test_tools::per_element());
    BOOST_TEST(wrap("", 9).empty());
}

BOOST_AUTO_TEST_CASE(connections_that_fit_are_not_refused)
{
    connection_budget server{100, 3, 1};
    BOOST_TEST(refusal(server, {92}).empty());
    BOOST_TEST(
        refusal(server, {93}) ==
        "93 workers need 97 connections more, and the server's max_connections is 100, 3 of them reserved and 1 in "
        "use: take --workers 92 at most, or raise the limit");
}

BOOST_AUTO_TEST_CASE(default_number_of_workers_shrinks_to_the_room_there_is)
{
    connection_budget server{100, 3, 1};
    BOOST_TEST(fitting(server, {100}) == 92U);
    BOOST_TEST(fitting(server, {92}) == 92U);
    BOOST_TEST(fitting(server, {5}) == 5U);
    BOOST_TEST(shrunk(server, {100}) ==
               "92 workers instead of 100: the server's max_connections is 100, 3 of them reserved and 1 in use");
    server.in_use = 93;
    BOOST_TEST(fitting(server, {100}) == 0U);
    server.in_use = 200;
    BOOST_TEST(fitting(server, {100}) == 0U);
    server.role_limit = 10;
    server.role_in_use = 2;
    server.in_use = 3;
    BOOST_TEST(fitting(server, {100}) == 4U);
}

BOOST_AUTO_TEST_CASE(narrowest_limit_of_connections_is_the_one_that_is_told)
{
    connection_budget server{100, 3, 1, 10, 1, 5, 1};
    BOOST_TEST(
        refusal(server, {5}) ==
        "5 workers need 9 connections more, and the database's connection limit is 5, 1 of them in use: raise the "
        "limit");
    server.database_limit = -1;
    BOOST_TEST(refusal(server, {5}).empty());
    BOOST_TEST(refusal(server, {6}).find("the role's connection limit is 10") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(counter_is_exact_if_each_message_is)
{
    BOOST_TEST(compare({{3, 5}, {4, 6}}, 3, {5, 6}).exact);
    BOOST_TEST(compare({{3, 5}, {4, 6}, {5, -1}}, 3, {5, 6}).rts == 11);
    BOOST_TEST(!compare({{3, 6}, {4, 5}}, 3, {5, 6}).exact);
    BOOST_TEST(!compare({{3, 5}}, 3, {5, 6}).exact);
    BOOST_TEST(compare({{3, 5}}, 3, {5, 0}).exact);
    BOOST_TEST(compare({{3, 5}, {4, -1}}, 3, {5}).of(4) == -1);
}

BOOST_AUTO_TEST_CASE(counter_of_all_is_compared_with_all)
{
    BOOST_TEST(compare({{std::nullopt, 11}}, 3, {5, 6}).exact);
    BOOST_TEST(!compare({{std::nullopt, 10}}, 3, {5, 6}).exact);
    BOOST_TEST(!compare({}, 3, {1}).exact);
    BOOST_TEST(compare({}, 3, {0}).exact);
}

BOOST_AUTO_TEST_SUITE_END()
