// Every way in which a connect fails, provoked for real: its code, whether waiting cures it, and the remedy.

#include <pgtally/db/attempt.hpp>
#include <pgtally/db/keepalive_times.hpp>
#include <pgtally/db/listener.hpp>
#include <pgtally/test/db/failing.hpp>

#include <cstdlib>
#include <filesystem>

using namespace pgtally;
using namespace pgtally::test;
namespace asio = boost::asio;

namespace {

// A cluster with TLS, and roles that may not connect for one reason each. Its folder also has files for clients.
cluster& guarded()
{
    static cluster instance({"fsync=off"});
    static bool const prepared = [] {
        auto const data = instance.folder() + "/data";
        auto const certificate = [&](std::string const& name) {
            return "openssl req -new -x509 -days 2 -nodes -subj /CN=localhost -addext subjectAltName=DNS:localhost -out " +
                   name + ".crt -keyout " + name + ".key 2>/dev/null && chmod 600 " + name + ".key && ";
        };
        auto const make = "cd " + data + " && " + certificate("server") + certificate("other") +
                          "cp other.key open.key && chmod 644 open.key && cp other.crt lonely.crt && "
                          "chown --reference=PG_VERSION server.key server.crt";
        BOOST_REQUIRE(std::system(make.c_str()) == 0);
        instance.sql(
            "create role clerk login password 'open-sesame'; create role few login connection limit 2; "
            "create role asleep; create role shut login; create role certain login");
        instance.sql("create database fixed");
        instance.sql("alter database fixed set default_transaction_read_only = on");
        instance.sql("alter system set ssl = on");
        instance.sql("alter system set ssl_ca_file = 'server.crt'");
        std::ofstream(data + "/pg_hba.conf") << "host all clerk 127.0.0.1/32 scram-sha-256\n"
                                                "host all shut 127.0.0.1/32 reject\n"
                                                "hostssl all certain 127.0.0.1/32 cert\n"
                                                "host all all 127.0.0.1/32 trust\n";
        instance.stop();
        instance.start();
        return true;
    }();
    static_cast<void>(prepared);
    return instance;
}

std::string at(std::string const& role, std::string const& rest = {}, cluster& server = guarded())
{
    return "host=127.0.0.1 dbname=postgres user=" + role + " port=" + std::to_string(server.port()) + " " + rest;
}

std::string file(std::string const& name)
{
    return guarded().folder() + "/data/" + name;
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(test_connect_failures, failing_fixture)

BOOST_AUTO_TEST_CASE(tls_that_cannot_be_had_is_permanent)
{
    auto const with_files = [](std::string const& cert, std::string const& key) {
        return "sslmode=require sslcert=" + file(cert) + " sslkey=" + file(key);
    };
    using db::errc;
    fails({at("postgres", "sslmode=verify-ca sslrootcert=" + file("other.crt")), errc::tls_failed, "", "sslrootcert"},
          "an unknown authority");
    fails({at("postgres", "sslmode=verify-ca sslrootcert=/nowhere/root.crt"), errc::tls_failed, "", "sslrootcert"},
          "a missing authority");
    fails({at("postgres", "sslmode=verify-ca sslrootcert=" + file("PG_VERSION")), errc::tls_failed, "", "sslrootcert"},
          "an authority that is no certificate");
    fails({at("postgres", "sslmode=verify-full sslrootcert=" + file("server.crt")), errc::tls_failed, "", "verify-ca"},
          "another name");
    fails({at("postgres", with_files("lonely.crt", "nowhere.key")), errc::tls_failed, "", "sslkey"}, "a missing key");
    fails({at("postgres", with_files("other.crt", "open.key")), errc::tls_failed, "", "0600"}, "a key for everybody");
    fails({at("postgres", with_files("other.crt", "server.key")), errc::tls_failed, "", "sslkey"}, "a key of another");
    fails({at("postgres", with_files("PG_VERSION", "other.key")), errc::tls_failed, "", "sslcert"}, "no certificate");
    fails({at("certain", with_files("other.crt", "other.key")), errc::tls_failed, "", "ssl_ca_file"},
          "a certificate that the server does not know");
    fails({at("postgres", "sslmode=require", cluster::shared()), errc::tls_failed, "", "ssl = on"},
          "a server without TLS");
}

BOOST_AUTO_TEST_CASE(a_refused_login_is_permanent)
{
    using db::errc;
    fails({at("clerk"), errc::login_failed, "", "PGPASSWORD"}, "no password");
    fails({at("clerk", "password=wrong-sesame"), errc::login_failed, "28P01", "password"}, "a wrong password");
    fails({at("nobody_here"), errc::login_failed, "28000", "role"}, "no such role");
    fails({at("asleep"), errc::login_failed, "28000", "log in"}, "a role without login");
    fails({at("shut"), errc::login_failed, "28000", "pg_hba.conf"}, "rejected by pg_hba.conf");
    fails({at("certain", "sslmode=require"), errc::login_failed, "28000", "pg_hba.conf"}, "no certificate");
    fails({at("postgres", "dbname=nowhere"), errc::login_failed, "3D000", "existing database"}, "no such database");
}

BOOST_AUTO_TEST_CASE(a_wrong_connection_string_is_permanent)
{
    using db::errc;
    fails({"service=nowhere", errc::bad_config, "", "~/.pg_service.conf"}, "an unknown service");
    ::setenv("PGSERVICEFILE", "/nowhere/services", 1);
    fails({"service=nowhere", errc::bad_config, "", "PGSERVICEFILE"}, "a missing file of services");
    ::unsetenv("PGSERVICEFILE");
    fails({at("postgres", "sslmode=perhaps"), errc::bad_config, "", "correct this value"}, "an unknown value");
    fails({at("postgres", "hots=nowhere"), errc::bad_config, "", "connection string"}, "an unknown keyword");
}

BOOST_AUTO_TEST_CASE(what_waiting_may_cure_is_not_permanent)
{
    using db::errc;
    auto const closed = std::to_string(cluster::shared().port());
    fails({at("postgres", "dbname=fixed"), errc::read_only, "", "default_transaction_read_only"}, "read only");
    // A standby that admits nobody answers as a server that still starts.
    cluster starting{{"fsync=off"}};
    starting.sql("alter system set hot_standby = off");
    starting.stop();
    std::ofstream(starting.folder() + "/data/standby.signal");
    try {
        starting.start();
    } catch (std::runtime_error const&) {
        // The tool waits for a session, and gets none.
    }
    fails({at("postgres", "", starting), errc::connect_failed, "57P03", "wait"}, "starting up");
    cluster::shared().stop();
    fails({"host=127.0.0.1 user=postgres port=" + closed, errc::connect_failed, "", "host and port"}, "nobody listens");
    cluster::shared().start();
}

BOOST_AUTO_TEST_CASE(too_few_connections_are_waited_for_and_the_limit_is_named)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection first(executor), second(executor), third(executor);
        co_await first.connect(settings(at("few")));
        co_await second.connect(settings(at("few")));
        auto const refused = co_await failure_of(third.connect(settings(at("few"))));
        failing const with{at("few"), db::errc::connect_failed, "53300", "connection limit"};
        check(with, refused, "two connections");
        second.close();
        // The server may not have noticed yet that the second one is gone.
        for (int attempts = 0; attempts < 1000 && !third.is_open(); ++attempts) {
            auto const again = co_await db::attempt(third.connect(settings(at("few"))));
            if (!again) BOOST_TEST(again.error().state().is("53300"));
        }
        BOOST_TEST(third.is_open());
    });
}

BOOST_AUTO_TEST_CASE(a_listener_says_the_remedy)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        auto const unknown = at("postgres", "sslmode=verify-ca sslrootcert=" + file("other.crt"));
        std::vector<std::string> channels{"one"};
        db::listener listener(executor, settings(unknown), channels);
        spawn(executor, listener.run());
        auto const events = co_await listener.next();
        auto const& why = std::get<db::lost>(events[0]);
        BOOST_TEST(why.permanent);
        BOOST_TEST(mentions(why.remedy, "sslrootcert"));
        listener.stop();
    });
}

BOOST_AUTO_TEST_CASE(a_host_with_a_wrong_certificate_is_passed_over)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection conn(executor);
        auto const ports = std::to_string(guarded().port());
        // The certificate names localhost, not 127.0.0.1.
        auto const both = "user=postgres dbname=postgres sslmode=verify-full sslrootcert=" + file("server.crt") +
                          " port=" + ports + " host=127.0.0.1,localhost";
        co_await conn.connect(settings(both));
        BOOST_TEST(conn.is_open());
        auto const neither = "user=postgres dbname=postgres sslmode=verify-ca sslrootcert=" + file("other.crt") +
                             " port=" + ports + " host=127.0.0.1,localhost";
        auto const refused = co_await failure_of(conn.connect(settings(neither)));
        BOOST_TEST(refused.permanent());
    });
}

BOOST_AUTO_TEST_CASE(a_silent_peer_is_given_up_after_the_time_that_was_chosen)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        auto chosen = settings();
        chosen.peer_timeout = std::chrono::seconds{12};
        db::connection conn(executor);
        co_await conn.connect(chosen);
        BOOST_TEST(conn.is_open());
    });
    db::keepalive_times const usual{db::config().peer_timeout}, short_one{std::chrono::milliseconds{100}};
    BOOST_TEST(usual.idle.count() == 15);
    BOOST_TEST(usual.interval.count() == 5);
    BOOST_TEST(usual.count == 3);
    BOOST_TEST(usual.user_timeout.count() == 30'000);
    BOOST_TEST(short_one.idle.count() == 1);
    BOOST_TEST(short_one.user_timeout.count() == 1'000);
}

BOOST_AUTO_TEST_SUITE_END()
