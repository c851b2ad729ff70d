#include <pgtally/cache/replica/session_settings.hpp>

#include <boost/test/unit_test.hpp>

namespace pgtally {

namespace {

using namespace std::chrono_literals;

std::string sent(db::config const& settings)
{
    return settings.on_connect.empty() ? "" : settings.on_connect.back();
}

}  // namespace

BOOST_AUTO_TEST_SUITE(test_session_settings)

BOOST_AUTO_TEST_CASE(settings_of_the_database_are_kept)
{
    db::config database;
    database.conninfo = "dbname=likes";
    database.on_connect.emplace_back("set role keeper");
    auto const settings = session_config(session_kind::control, database);
    BOOST_TEST(settings.conninfo == "dbname=likes");
    BOOST_TEST_REQUIRE(settings.on_connect.size() == 2U);
    BOOST_TEST(settings.on_connect.front() == "set role keeper");  // pgtally's settings come later and override it
    BOOST_TEST(settings.on_connect.back() == "set synchronous_commit = 'local'");
    BOOST_TEST((settings.recovery_timeout == 0ms));
    BOOST_TEST((settings.connect_timeout == database.connect_timeout));
}

BOOST_AUTO_TEST_CASE(statements_are_bounded_by_postgresql_and_later_by_the_client)
{
    session_times times;
    times.connect = 5s;
    times.statement = 10s;
    auto const action = session_config(session_kind::action, {}, times);
    BOOST_TEST(sent(action) == "set statement_timeout = '10000'");
    BOOST_TEST(action.application_name == "pgtally actions");
    BOOST_TEST((action.query_timeout == 15s));
    auto const bypass = session_config(session_kind::bypass, {}, times);
    BOOST_TEST(sent(bypass) == "set statement_timeout = '10000'; set default_transaction_read_only = 'on'");
}

BOOST_AUTO_TEST_CASE(a_materializer_has_the_settings_of_the_truth_and_ends_when_it_is_stuck)
{
    session_times times;
    times.statement = 60s;
    times.lock = 5s;
    times.idle = std::chrono::hours{10'000};
    auto const settings = session_config(session_kind::materializer, {}, times);
    for (std::string const each : {"statement_timeout = '60000'", "lock_timeout = '5000'", "timezone = 'UTC'",
                                   "idle_session_timeout = '2000000000'", "datestyle = 'ISO, YMD'"}) {
        BOOST_TEST_CONTEXT(each) BOOST_TEST(sent(settings).find("set " + each) != std::string::npos);
    }
    BOOST_TEST((settings.recovery_timeout == 0ms));
}

BOOST_AUTO_TEST_CASE(a_script_makes_its_settings_itself)
{
    BOOST_TEST(session_config(session_kind::script, {}).on_connect.empty());
    auto const settings = session_settings(session_kind::script);
    BOOST_TEST_REQUIRE(!settings.empty());
    BOOST_TEST(set_local(settings.front()) == "set local lock_timeout = '2s'");
    BOOST_TEST(set_local({"lc_messages", "it's"}) == "set local lc_messages = 'it''s'");
}

BOOST_AUTO_TEST_CASE(sessions_without_settings_send_nothing)
{
    for (auto const kind : {session_kind::transport, session_kind::check, session_kind::audit}) {
        BOOST_TEST(session_config(kind, {}).on_connect.empty());
    }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace pgtally
