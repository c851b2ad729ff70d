#include <pgtally/cache/replica/session_settings.hpp>
#include <pgtally/db/connection.hpp>
#include <pgtally/test/support/cluster.hpp>
#include <pgtally/test/support/coroutine.hpp>

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <array>
#include <map>
#include <tuple>

namespace pgtally {

BOOST_AUTO_TEST_SUITE(test_session_settings)

namespace {

using namespace std::chrono_literals;
using test::cluster;

constexpr std::array sessions{session_kind::transport, session_kind::control, session_kind::loader,
                              session_kind::action,    session_kind::bypass,  session_kind::materializer,
                              session_kind::check,     session_kind::audit};

using values = std::map<std::string, std::string>;

// What PostgreSQL says a session's settings are. Empty for settings that it does not know.
boost::asio::awaitable<values> shown(boost::asio::any_io_executor executor, db::config settings,
                                     std::vector<session_setting> const& wanted)
{
    std::vector<std::string> names;
    for (auto const& one : wanted) names.push_back(one.name);
    db::connection connection{executor};
    co_await connection.connect(std::move(settings));
    using row = std::tuple<std::string, std::string>;
    auto const rows = co_await connection.query_as<row>(
        "select lower(name), setting from pg_catalog.pg_settings where lower(name) = any($1::text[])", names);
    values out;
    for (auto const& [name, setting] : rows) out.emplace(name, setting);
    co_return out;
}

// A setting may stand in the list twice: the last one counts.
values last_of(std::vector<session_setting> const& all)
{
    values out;
    for (auto const& [name, value] : all) out.insert_or_assign(name, value);
    return out;
}

std::string hostile()
{
    auto& server = cluster::shared();
    static bool const made = [&] {
        server.sql("create role hostile login");
        // The timeouts last long enough for the statement that overrides them.
        for (std::string const setting :
             {"statement_timeout = '5s'", "lock_timeout = '1ms'", "idle_in_transaction_session_timeout = '5s'",
              "idle_session_timeout = '5s'", "default_transaction_isolation = 'serializable'",
              "default_transaction_read_only = on", "default_transaction_deferrable = on", "row_security = off",
              "search_path = nowhere", "standard_conforming_strings = off", "datestyle = 'German'",
              "synchronous_commit = off", "tcp_user_timeout = 1000", "tcp_keepalives_idle = 1000"}) {
            server.sql("alter role hostile set " + setting);
        }
        return true;
    }();
    static_cast<void>(made);
    return "host=127.0.0.1 user=hostile dbname=postgres target_session_attrs=any port=" + std::to_string(server.port());
}

}  // namespace

BOOST_AUTO_TEST_CASE(settings_of_the_database_are_kept)
{
    db::config database;
    database.conninfo = "dbname=likes";
    database.on_connect.emplace_back("set role keeper");
    auto const settings = session_config(session_kind::control, database);
    BOOST_TEST(settings.conninfo == "dbname=likes");
    BOOST_TEST_REQUIRE(settings.on_connect.size() == 2U);
    BOOST_TEST(settings.on_connect.front() == "set role keeper");  // pgtally's settings come later and override it
    BOOST_TEST((settings.recovery_timeout == 0ms));
    BOOST_TEST((settings.connect_timeout == database.connect_timeout));
}

BOOST_AUTO_TEST_CASE(every_session_has_its_settings_whatever_the_role_has)
{
    for (auto const kind : sessions) {
        BOOST_TEST_CONTEXT("session " << static_cast<int>(kind))
        test::run([&](auto executor) -> boost::asio::awaitable<void> {
            session_times times;
            times.statement = 7s;
            times.lock = 3s;
            times.idle = std::chrono::hours{10'000};
            db::config database;
            database.conninfo = hostile();
            database.peer_timeout = 12s;
            auto const wanted = session_settings(kind, times, database.peer_timeout);
            auto settings = session_config(kind, database, times);
            auto seen = co_await shown(executor, std::move(settings), wanted);
            for (auto const& [name, value] : last_of(wanted)) {
                bool const newer = name == "transaction_timeout" && !seen.contains(name);
                BOOST_TEST((newer || seen[name] == value), name << " is " << seen[name] << ", not " << value);
            }
            BOOST_TEST(seen["statement_timeout"] == "7000");
            BOOST_TEST(seen["tcp_user_timeout"] == "12000");
            BOOST_TEST(seen["tcp_keepalives_idle"] == "6");
        });
    }
}

BOOST_AUTO_TEST_CASE(an_action_keeps_what_the_application_chose)
{
    test::run([&](auto executor) -> boost::asio::awaitable<void> {
        db::config database;
        database.conninfo = hostile();
        std::vector<session_setting> const kept{{"default_transaction_isolation", "serializable"},
                                                {"default_transaction_read_only", "on"},
                                                {"search_path", "nowhere"},
                                                {"lock_timeout", "1"},
                                                {"datestyle", "German, DMY"}};
        auto settings = session_config(session_kind::action, database);
        auto seen = co_await shown(executor, std::move(settings), kept);
        for (auto const& [name, value] : kept) BOOST_TEST(seen[name] == value, name << " is " << seen[name]);
    });
}

BOOST_AUTO_TEST_CASE(a_socket_without_tcp_does_no_harm)
{
    cluster server{{"fsync=off", "unix_socket_directories=/tmp"}};
    test::run([&](auto executor) -> boost::asio::awaitable<void> {
        db::config database;
        database.conninfo = "host=/tmp user=postgres dbname=postgres port=" + std::to_string(server.port());
        auto settings = session_config(session_kind::transport, database);
        std::vector<session_setting> const wanted{{"idle_session_timeout", "0"}};
        auto seen = co_await shown(executor, std::move(settings), wanted);
        BOOST_TEST(seen["idle_session_timeout"] == "0");
    });
}

BOOST_AUTO_TEST_CASE(statements_are_bounded_by_postgresql_and_later_by_the_client)
{
    session_times times;
    times.connect = 5s;
    times.statement = 10s;
    auto const action = session_config(session_kind::action, {}, times);
    BOOST_TEST(action.application_name == "pgtally actions");
    BOOST_TEST((action.query_timeout == 15s));
    BOOST_TEST(last_of(session_settings(session_kind::action, times))["statement_timeout"] == "10000");
    BOOST_TEST(last_of(session_settings(session_kind::bypass, times))["statement_timeout"] == "10000");
    BOOST_TEST(last_of(session_settings(session_kind::bypass, times))["default_transaction_read_only"] == "on");
    BOOST_TEST(last_of(session_settings(session_kind::bypass, times))["lock_timeout"] == "500");
}

BOOST_AUTO_TEST_CASE(a_load_ends_when_its_client_hangs_and_waits_as_long_as_it_must_for_the_rest)
{
    auto all = last_of(session_settings(session_kind::loader));
    BOOST_TEST(all["idle_in_transaction_session_timeout"] == "60000");
    BOOST_TEST(all["statement_timeout"] == "0");
    BOOST_TEST(all["lock_timeout"] == "0");  // a load's transaction sets its own
}

BOOST_AUTO_TEST_CASE(a_materializer_has_the_settings_of_the_truth_and_ends_when_it_is_stuck)
{
    session_times times;
    times.statement = 60s;
    times.lock = 5s;
    times.idle = std::chrono::hours{10'000};
    auto all = last_of(session_settings(session_kind::materializer, times));
    BOOST_TEST(all["timezone"] == "UTC");
    BOOST_TEST(all["lock_timeout"] == "5000");
    BOOST_TEST(all["idle_session_timeout"] == "2000000000");
    BOOST_TEST(!all.contains("search_path"));
    BOOST_TEST((session_config(session_kind::materializer, {}, times).recovery_timeout == 0ms));
}

BOOST_AUTO_TEST_CASE(a_script_makes_its_settings_itself)
{
    BOOST_TEST(session_config(session_kind::script, {}).on_connect.empty());
    BOOST_TEST(last_of(session_settings(session_kind::script))["lock_timeout"] == "2000");
    BOOST_TEST(cluster::shared().sql(begin_reading() + "; show lock_timeout") == "500ms");
    BOOST_TEST(cluster::shared().sql(begin_writing() + "; show transaction_read_only") == "off");
    BOOST_TEST(set_local({"lock_timeout", "2s"}) == "set local lock_timeout = '2s'");
    auto const inside = "begin; " + set_transaction(session_settings(session_kind::script)) + "; show search_path";
    BOOST_TEST(cluster::shared().sql(inside) == "pg_catalog, pg_temp");
    BOOST_TEST(set_transaction({{"lc_time", "it's"}}).find("'it''s'") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace pgtally
