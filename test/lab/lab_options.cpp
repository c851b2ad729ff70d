#include "../../tools/lab/options.hpp"

#include <boost/test/unit_test.hpp>

#include <string>
#include <vector>

namespace {

using namespace pgtally::lab;

std::vector<std::string> const names{"update", "insert", "pgtally"};

request read(std::vector<std::string> const& arguments)
{
    return read_request(arguments, names);
}

// The error for these arguments; empty: they are accepted.
std::string complaint(std::vector<std::string> const& arguments)
{
    try {
        static_cast<void>(read(arguments));
        return {};
    } catch (wrong_usage const& wrong) {
        return wrong.what();
    }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(test_lab_options)

BOOST_AUTO_TEST_CASE(defaults_are_the_numbers_of_the_articles)
{
    auto const asked = read({"concurrency"});
    auto const& chosen = std::get<concurrency_options>(asked.what);
    BOOST_TEST(chosen.work.workers == 100U);
    BOOST_TEST(chosen.work.default_workers);
    BOOST_TEST(chosen.work.retweets == 100U);
    BOOST_TEST(chosen.work.message == 3);
    BOOST_TEST(chosen.work.spread == 1U);
    BOOST_TEST(chosen.strategies == names, boost::test_tools::per_element());
    BOOST_TEST(!asked.json);
    BOOST_TEST(asked.dsn.empty());
}

BOOST_AUTO_TEST_CASE(options_stand_before_and_behind_the_command)
{
    auto const asked =
        read({"--dsn", "dbname=x", "--json", "concurrency", "--workers=2", "--retweets", "5", "--spread", "7"});
    auto const& chosen = std::get<concurrency_options>(asked.what);
    BOOST_TEST(asked.dsn == "dbname=x");
    BOOST_TEST(asked.json);
    BOOST_TEST(chosen.work.workers == 2U);
    BOOST_TEST(!chosen.work.default_workers);
    BOOST_TEST(chosen.work.retweets == 5U);
    BOOST_TEST(chosen.work.spread == 7U);
}

BOOST_AUTO_TEST_CASE(strategies_keep_the_order_of_the_list)
{
    auto const asked = read({"concurrency", "--strategy", "pgtally", "--strategy", "update", "--strategy", "update"});
    auto const expected = std::vector<std::string>{"update", "pgtally"};
    BOOST_TEST(std::get<concurrency_options>(asked.what).strategies == expected, boost::test_tools::per_element());
    BOOST_TEST(complaint({"concurrency", "--strategy", "none"}) == "--strategy takes one of update, insert, pgtally");
}

BOOST_AUTO_TEST_CASE(isolation_is_a_load_or_a_walk)
{
    BOOST_TEST(std::get<isolation_options>(read({"isolation", "--attempts", "5"}).what).attempts == 5U);
    BOOST_TEST(std::get<walk_options>(read({"isolation", "--walk", "--message", "9"}).what).message == 9);
    BOOST_TEST(complaint({"isolation", "--walk", "--workers", "2"}) ==
               "--workers is not an option of isolation --walk");
    BOOST_TEST(complaint({"isolation", "--spread", "2"}) == "--spread is not an option of isolation");
    BOOST_TEST(complaint({"concurrency", "--walk"}) == "--walk is not an option of concurrency");
}

BOOST_AUTO_TEST_CASE(numbers_out_of_range_are_refused_with_the_range)
{
    BOOST_TEST(complaint({"concurrency", "--workers", "1000"}).empty());
    BOOST_TEST(complaint({"concurrency", "--workers", "1001"}) == "--workers takes a number from 1 to 1000");
    for (std::string const bad : {"0", "-1", "x", "", "3x", " 3", "99999999999999999999"})
        BOOST_TEST(complaint({"concurrency", "--workers=" + bad}) != "");
    BOOST_TEST(complaint({"concurrency", "--retweets", "1000001"}) == "--retweets takes a number from 1 to 1000000");
    BOOST_TEST(complaint({"concurrency", "--spread", "100001"}) == "--spread takes a number from 1 to 100000");
    BOOST_TEST(complaint({"concurrency", "--message", "1000000001"}) ==
               "--message takes a number from 1 to 1000000000");
    BOOST_TEST(complaint({"isolation", "--attempts", "10001"}) == "--attempts takes a number from 1 to 10000");
    BOOST_TEST(complaint({"concurrency", "--workers", "100", "--retweets", "50000"}).empty());
    BOOST_TEST(complaint({"concurrency", "--workers", "100", "--retweets", "50001"}) ==
               "more than 5000000 retweets in total are too many");
}

BOOST_AUTO_TEST_CASE(reading_has_writers_and_readers)
{
    auto const plain = std::get<reading_options>(read({"reading"}).what);
    BOOST_TEST(plain.writers == 4U);
    BOOST_TEST(plain.readers == 4U);
    BOOST_TEST(plain.seconds.count() == 5);
    BOOST_TEST(plain.refresh.count() == 1'000);
    BOOST_TEST(plain.ways == way_names(), boost::test_tools::per_element());
    auto const given =
        std::get<reading_options>(read({"reading", "--writers", "2", "--readers=3", "--seconds", "9", "--refresh", "2m",
                                        "--history", "0", "--message", "8", "--url", "http://localhost:1234"})
                                      .what);
    BOOST_TEST(given.writers == 2U);
    BOOST_TEST(given.readers == 3U);
    BOOST_TEST(given.seconds.count() == 9);
    BOOST_TEST(given.refresh.count() == 120'000);
    BOOST_TEST(given.history == 0U);
    BOOST_TEST(given.message == 8);
    BOOST_TEST(given.url == "http://localhost:1234");
}

BOOST_AUTO_TEST_CASE(reading_out_of_range_is_refused)
{
    BOOST_TEST(complaint({"reading", "--readers", "1001"}) == "--readers takes a number from 1 to 1000");
    BOOST_TEST(complaint({"reading", "--writers", "0"}) == "--writers takes a number from 1 to 1000");
    BOOST_TEST(complaint({"reading", "--seconds", "601"}) == "--seconds takes a number from 1 to 600");
    BOOST_TEST(complaint({"reading", "--history", "1000001"}) == "--history takes a number from 0 to 1000000");
    for (std::string const bad : {"9ms", "1", "s", "61m", ""})
        BOOST_TEST(complaint({"reading", "--refresh", bad}) ==
                   "--refresh takes a time from 10ms to 1h, as in 500ms, 10s, 1m");
    for (std::string const bad : {"", "localhost:1", "https://h", "http://", "http://h/x", "http://ann:secret@h"})
        BOOST_TEST(complaint({"reading", "--url", bad}) ==
                   "--url takes the address of a server, as in http://127.0.0.1:8080");
    BOOST_TEST(complaint({"reading", "--url", "http://h", "--program", "x"}) ==
               "--program starts a server, --url names one that runs: one of the two");
    BOOST_TEST(complaint({"reading", "--way", "x"}) ==
               "--way takes one of view, materialized-view, summary-table, pgtally-http, pgtally-embedded");
    BOOST_TEST(complaint({"reading", "--workers", "2"}) == "--workers is not an option of reading");
}

BOOST_AUTO_TEST_CASE(all_takes_the_options_of_all)
{
    auto const asked = read({"all", "--report", "r.html", "--workers", "2", "--spread", "3", "--attempts", "4",
                             "--readers", "5", "--strategy", "update", "--way", "view", "--message", "6"});
    auto const& chosen = asked.all.value();
    BOOST_TEST(chosen.report == "r.html");
    BOOST_TEST(chosen.experiments.size() == 5U);
    auto const& concurrency = std::get<concurrency_options>(chosen.experiments[0]);
    BOOST_TEST(concurrency.work.workers == 2U);
    BOOST_TEST(concurrency.work.spread == 3U);
    BOOST_TEST(concurrency.strategies == std::vector<std::string>{"update"}, boost::test_tools::per_element());
    BOOST_TEST(std::get<isolation_options>(chosen.experiments[1]).attempts == 4U);
    BOOST_TEST(std::get<walk_options>(chosen.experiments[2]).message == 6);
    BOOST_TEST(std::get<reading_options>(chosen.experiments[3]).readers == 5U);
    BOOST_TEST(std::get<anomalies_options>(chosen.experiments[4]).message == 6);
    BOOST_TEST(complaint({"all", "--walk"}) == "--walk is not an option of all");
    BOOST_TEST(complaint({"all", "--report", ""}) == "--report takes the name of a file");
    BOOST_TEST(complaint({"reading", "--report", "x"}) == "--report is not an option of reading");
    BOOST_TEST(complaint({"anomalies", "--workers", "2"}) == "--workers is not an option of anomalies");
}

BOOST_AUTO_TEST_CASE(what_is_no_command_is_refused)
{
    BOOST_TEST(complaint({}) == "a command is missing: concurrency, isolation, reading, anomalies or all");
    BOOST_TEST(complaint({"dance"}) ==
               "unknown command; the commands are concurrency, isolation, reading, anomalies or all");
    BOOST_TEST(complaint({"concurrency", "isolation"}) == "one command at a time");
    BOOST_TEST(complaint({"concurrency", "--worker", "3"}) == "--worker is not an option");
}

BOOST_AUTO_TEST_CASE(complaints_hold_no_connection_string)
{
    std::string const secret = "postgresql://ann:secret@db/shop";
    for (auto const& arguments :
         std::vector<std::vector<std::string>>{{secret},
                                               {"concurrency", secret},
                                               {"--dns=" + secret, "concurrency"},
                                               {"--json=" + secret, "concurrency"},
                                               {"concurrency", "--workers", secret},
                                               {"concurrency", "--strategy", secret},
                                               {"-" + secret, "concurrency"},
                                               {"--dsn", secret, "--dsn", secret, "concurrency"}}) {
        auto const said = complaint(arguments);
        BOOST_TEST(!said.empty());
        BOOST_TEST(said.find("secret") == std::string::npos, said);
    }
}

BOOST_AUTO_TEST_CASE(help_names_the_strategies)
{
    auto const text = read({"--help"}).help.value().text;
    BOOST_TEST(text.find("Strategies: update insert pgtally\n") != std::string::npos);
    BOOST_TEST(text.find(usage) == 0U);
}

BOOST_AUTO_TEST_SUITE_END()
