// How a connection is opened: connection strings, hosts, logins, refusals.

#include <pgtally/test/db/fixture.hpp>
#include <pgtally/test/support/proxy.hpp>

#include <boost/asio/ip/tcp.hpp>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <tuple>

using namespace pgtally;
using namespace pgtally::test;
using namespace std::chrono_literals;
namespace asio = boost::asio;

BOOST_FIXTURE_TEST_SUITE(test_connect, db_fixture)

namespace {

// A port without a listener: bound, so that no other program gets it.
class dead_port {
public:
    dead_port() : socket_(context_, {asio::ip::address_v4::loopback(), 0}) {}
    [[nodiscard]] std::string text() const { return std::to_string(socket_.local_endpoint().port()); }

private:
    asio::io_context context_;
    asio::ip::tcp::socket socket_;
};

class environment {
public:
    environment(char const* name, std::string const& value) : name_(name) { setenv(name, value.c_str(), 1); }
    ~environment() { unsetenv(name_); }
    environment(environment const&) = delete;
    environment& operator=(environment const&) = delete;

private:
    char const* name_;
};

asio::awaitable<std::string> one_text(db::connection& conn, std::string sql)
{
    auto const result = co_await conn.query(std::move(sql));
    co_return std::string(result.text(0, 0));
}

std::string port()
{
    return std::to_string(cluster::shared().port());
}

}  // namespace

BOOST_AUTO_TEST_CASE(keywords_and_uri_connect_alike)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        for (auto const& conninfo : {cluster::shared().dsn(), "postgresql://postgres@127.0.0.1:" + port() + "/postgres",
                                     "postgres://postgres@localhost:" + port() + "/postgres"}) {
            db::connection conn(executor);
            BOOST_TEST(!conn.is_open());
            BOOST_TEST((conn.backend_pid() == db::backend_pid{}));
            BOOST_TEST(conn.server_version() == 0);
            co_await conn.connect(settings(conninfo));
            BOOST_TEST(conn.is_open());
            BOOST_TEST(conn.server_version() >= 140'000);
            auto const pid = co_await one_text(conn, "select pg_backend_pid()");
            BOOST_TEST(pid == std::to_string(static_cast<int>(conn.backend_pid())));
            BOOST_TEST(mentions(conn.description(), ":" + port() + "/postgres as postgres"));
            conn.close();
            BOOST_TEST(!conn.is_open());
        }
    });
}

BOOST_AUTO_TEST_CASE(empty_string_is_the_environment)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        environment const host("PGHOST", "localhost");
        environment const at("PGPORT", port());
        environment const user("PGUSER", "postgres");
        environment const database("PGDATABASE", "template1");
        db::connection conn(executor);
        co_await conn.connect(settings(""));
        BOOST_TEST((co_await one_text(conn, "select current_database()")) == "template1");
    });
}

BOOST_AUTO_TEST_CASE(service_file_is_read)
{
    auto const path = cluster::shared().folder() + "/services";
    std::ofstream(path) << "[here]\nhost=localhost\nport=" << port() << "\nuser=postgres\ndbname=template1\n";
    environment const file("PGSERVICEFILE", path);
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection conn(executor);
        co_await conn.connect(settings("service=here"));
        BOOST_TEST((co_await one_text(conn, "select current_database()")) == "template1");
        BOOST_TEST(settings("service=here").redacted() == "localhost:" + port() + "/template1 as postgres");
        auto const unknown = co_await failure_of(conn.connect(settings("service=nowhere")));
        BOOST_TEST(mentions(unknown.what(), "nowhere"));
    });
}

BOOST_AUTO_TEST_CASE(session_has_our_name_and_encoding)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection conn(executor);
        auto ours = settings(cluster::shared().dsn() + " client_encoding=LATIN1");
        ours.application_name = "a name";
        co_await conn.connect(ours);
        BOOST_TEST((co_await one_text(conn, "show application_name")) == "a name");
        BOOST_TEST((co_await one_text(conn, "show client_encoding")) == "UTF8");
        co_await conn.connect(settings(cluster::shared().dsn() + " application_name=theirs"));
        BOOST_TEST((co_await one_text(conn, "show application_name")) == "theirs");
    });
}

BOOST_AUTO_TEST_CASE(read_only_server_is_not_taken_unless_asked_for)
{
    auto const name = cluster::shared().create_database();
    cluster::shared().sql("alter database " + name + " set default_transaction_read_only = on");
    auto const dsn = cluster::shared().dsn(name);
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection conn(executor);
        auto const refused = co_await failure_of(conn.connect(settings(dsn)));
        BOOST_TEST((refused.code() == db::errc::read_only));
        BOOST_TEST(!refused.permanent());
        co_await conn.connect(settings(dsn + " target_session_attrs=any"));
        BOOST_TEST(conn.is_open());
        {
            environment const attrs("PGTARGETSESSIONATTRS", "any");
            co_await conn.connect(settings(dsn));
            BOOST_TEST(conn.is_open());
        }
        // There is no standby, so the second round accepts any server.
        co_await conn.connect(settings(dsn + " target_session_attrs=prefer-standby"));
        BOOST_TEST(conn.is_open());
        auto const no_standby = co_await failure_of(conn.connect(settings(dsn + " target_session_attrs=standby")));
        BOOST_TEST((no_standby.code() == db::errc::connect_failed));
    });
}

BOOST_AUTO_TEST_CASE(refused_port_is_no_permanent_failure)
{
    dead_port const dead;
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection conn(executor);
        auto const conninfo = "host=127.0.0.1 user=ann dbname=shop port=" + dead.text();
        auto const refused = co_await failure_of(conn.connect(settings(conninfo)));
        BOOST_TEST((refused.code() == db::errc::connect_failed));
        BOOST_TEST(!refused.permanent());
        BOOST_TEST(refused.state().empty());
        BOOST_TEST(mentions(refused.what(), "connect to 127.0.0.1:" + dead.text() + "/shop as ann failed"));
        BOOST_TEST(mentions(refused.what(), "Connection refused"));
        BOOST_TEST(!mentions(refused.what(), "\n"));
        BOOST_TEST(!conn.is_open());
    });
}

BOOST_AUTO_TEST_CASE(unknown_database_and_role_are_permanent)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection conn(executor);
        auto const database = co_await failure_of(conn.connect(settings(cluster::shared().dsn("nowhere"))));
        BOOST_TEST((database.code() == db::errc::login_failed));
        BOOST_TEST(database.permanent());
        BOOST_TEST(database.state().is("3D000"));
        BOOST_TEST(mentions(database.what(), "database \"nowhere\" does not exist (3D000)"));
        BOOST_TEST(!mentions(database.what(), "LOCATION"));
        auto const role = co_await failure_of(
            conn.connect(settings("host=127.0.0.1 user=nobody_here dbname=postgres port=" + port())));
        BOOST_TEST(role.permanent());
        BOOST_TEST(role.state().in_class("28"));
    });
}

BOOST_AUTO_TEST_CASE(password_is_wanted_checked_and_never_told)
{
    cluster::shared().sql("create role locked login password 'open-sesame'");
    require_password_of("locked");
    auto const place = "host=127.0.0.1 user=locked dbname=postgres port=" + port();
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection conn(executor);
        auto const none = co_await failure_of(conn.connect(settings(place)));
        BOOST_TEST(none.permanent());
        auto const wrong = co_await failure_of(conn.connect(settings(place + " password=wrong-sesame")));
        BOOST_TEST(wrong.permanent());
        BOOST_TEST(wrong.state().is("28P01"));
        co_await conn.connect(settings(place + " password=open-sesame"));
        auto const failed = co_await failure_of(conn.query("select 1/0"));
        auto const uri = "postgresql://locked:open-sesame@127.0.0.1:" + port() + "/postgres";
        co_await conn.connect(settings(uri));
        cluster::shared().stop();
        auto const gone = co_await failure_of(conn.query("select 1"));
        auto const away = co_await failure_of(conn.connect(settings(uri)));
        cluster::shared().start();
        for (auto const& each : {none, wrong, failed, gone, away}) {
            BOOST_TEST(!mentions(each.what(), "sesame"));
            BOOST_TEST(!mentions(each.primary(), "sesame"));
        }
        BOOST_TEST(!mentions(conn.description(), "sesame"));
    });
    BOOST_TEST(!log->lines.empty());
    BOOST_TEST(!log->contain("sesame"));
}

BOOST_AUTO_TEST_CASE(pass_file_is_read)
{
    cluster::shared().sql("create role filed login password 'in-a-file'");
    require_password_of("filed");
    auto const path = cluster::shared().folder() + "/passwords";
    auto const place = "host=127.0.0.1 user=filed dbname=postgres passfile=" + path + " port=" + port();
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection conn(executor);
        for (std::string const password : {"wrong", "in-a-file"}) {
            std::ofstream(path) << "127.0.0.1:" << port() << ":postgres:filed:" << password << '\n';
            std::filesystem::permissions(path,
                                         std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
            if (password == "wrong") {
                auto const refused = co_await failure_of(conn.connect(settings(place)));
                BOOST_TEST(refused.permanent());
                BOOST_TEST(refused.state().is("28P01"));
            } else {
                co_await conn.connect(settings(place));
                BOOST_TEST((co_await one_text(conn, "select current_user")) == "filed");
            }
        }
    });
}

BOOST_AUTO_TEST_CASE(address_of_version_6_is_a_host)
{
    boost::system::error_code none;
    asio::io_context context;
    asio::ip::tcp::acceptor(context).open(asio::ip::tcp::v6(), none);
    if (!none) asio::ip::tcp::socket(context, asio::ip::tcp::v6()).bind({asio::ip::address_v6::loopback(), 0}, none);
    if (none) {
        BOOST_TEST_MESSAGE("this machine has no IPv6: " << none.message());
        return;
    }
    cluster server({"fsync=off", "listen_addresses=::1"});
    auto const at = std::to_string(server.port());
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection conn(executor);
        for (std::string const place :
             {"host=::1 user=postgres dbname=postgres port=", "postgresql://postgres@[::1]:"}) {
            auto const conninfo = place + at + (place[0] == 'p' ? "/postgres" : "");
            co_await conn.connect(settings(conninfo));
            BOOST_TEST((co_await one_text(conn, "select host(inet_server_addr())")) == "::1");
        }
    });
}

BOOST_AUTO_TEST_CASE(silent_server_is_given_up_in_time)
{
    proxy silent(cluster::shared().port());
    silent.stall();
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection conn(executor);
        auto hasty = settings(silent.dsn());
        hasty.connect_timeout = 200ms;
        auto const late = co_await failure_of(conn.connect(hasty));
        BOOST_TEST((late.code() == db::errc::timed_out));
        BOOST_TEST(!late.permanent());
        BOOST_TEST(mentions(late.what(), "does not answer in time"));
        BOOST_TEST(!conn.is_open());
    });
    BOOST_TEST(silent.accepted() == 1u);
}

BOOST_AUTO_TEST_CASE(next_host_is_tried_after_a_dead_and_a_silent_one)
{
    dead_port const dead;
    proxy silent(cluster::shared().port());
    silent.stall();
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection conn(executor);
        auto several = settings("host=127.0.0.1,127.0.0.1,localhost user=postgres dbname=postgres port=" + dead.text() +
                                "," + std::to_string(silent.port()) + "," + port());
        several.connect_timeout = 300ms;
        co_await conn.connect(several);
        BOOST_TEST(conn.is_open());
        BOOST_TEST(conn.description() == "localhost:" + port() + "/postgres as postgres");
        several.conninfo = "host=127.0.0.1,localhost user=postgres dbname=postgres port=" + dead.text();
        auto const refused = co_await failure_of(conn.connect(several));
        BOOST_TEST((refused.code() == db::errc::connect_failed));
        BOOST_TEST(mentions(refused.what(), "; "));  // the reason of each address
    });
    BOOST_TEST(silent.accepted() == 1u);
}

BOOST_AUTO_TEST_CASE(server_that_refuses_the_login_ends_the_search)
{
    dead_port const dead;
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection conn(executor);
        auto const conninfo = "host=127.0.0.1,127.0.0.1,127.0.0.1 user=postgres dbname=nowhere port=" + dead.text() +
                              "," + port() + "," + dead.text();
        auto const refused = co_await failure_of(conn.connect(settings(conninfo)));
        BOOST_TEST(refused.permanent());
        BOOST_TEST(refused.state().is("3D000"));
    });
}

BOOST_AUTO_TEST_CASE(unknown_name_is_an_error_or_passed_over)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection conn(executor);
        std::string const rest = " user=postgres dbname=postgres port=" + port();
        auto const unknown = co_await failure_of(conn.connect(settings("host=no-such-host.invalid" + rest)));
        BOOST_TEST((unknown.code() == db::errc::connect_failed));
        BOOST_TEST(!unknown.permanent());
        BOOST_TEST(mentions(unknown.what(), "cannot resolve the host name \"no-such-host.invalid\""));
        co_await conn.connect(settings("host=no-such-host.invalid,127.0.0.1" + rest));
        BOOST_TEST(conn.is_open());
    });
    BOOST_TEST(log->contain("no-such-host.invalid"));
}

BOOST_AUTO_TEST_CASE(bad_string_is_permanent_and_not_shown)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection conn(executor);
        for (std::string const conninfo : {"hots=sesame", "postgresql://u:se/same@h/d", "sslmode=sesame"}) {
            auto const refused = co_await failure_of(conn.connect(settings(conninfo)));
            BOOST_TEST((refused.permanent() || conninfo == "sslmode=sesame"), conninfo);
            BOOST_TEST(!conn.is_open());
        }
    });
}

BOOST_AUTO_TEST_CASE(on_connect_runs_each_time_and_may_refuse)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection conn(executor);
        auto prepared = settings();
        prepared.on_connect = {"set statement_timeout = '7s'; set lock_timeout = '8s'", "set timezone = 'UTC'"};
        for (int i = 0; i < 2; ++i) {
            co_await conn.connect(prepared);
            BOOST_TEST((co_await one_text(conn, "show statement_timeout")) == "7s");
            BOOST_TEST((co_await one_text(conn, "show lock_timeout")) == "8s");
            BOOST_TEST((co_await one_text(conn, "show timezone")) == "UTC");
        }
        prepared.on_connect.push_back("set no_such_setting = 1");
        auto const refused = co_await failure_of(conn.connect(prepared));
        BOOST_TEST((refused.code() == db::errc::server_error));
        BOOST_TEST(refused.state().is("42704"));
        BOOST_TEST(refused.statement() == "set no_such_setting = 1");
        BOOST_TEST(!conn.is_open());
        auto const closed = co_await failure_of(conn.query("select 1"));
        BOOST_TEST((closed.code() == db::errc::closed));
    });
}

BOOST_AUTO_TEST_CASE(slow_on_connect_is_given_up)
{
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection conn(executor);
        auto slow = settings();
        slow.on_connect = {"select pg_sleep(1000)"};
        slow.connect_timeout = 500ms;
        auto const late = co_await failure_of(conn.connect(slow));
        BOOST_TEST((late.code() == db::errc::timed_out));
    });
}

BOOST_AUTO_TEST_SUITE_END()
