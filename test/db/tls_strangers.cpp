// Servers that answer SSLRequest in a way in which PostgreSQL does not, or as one without TLS does.

#include <pgtally/test/db/failing.hpp>
#include <pgtally/test/db/tls_cluster.hpp>
#include <pgtally/test/support/event_thread.hpp>

#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <array>
#include <exception>
#include <memory>

using namespace pgtally;
using namespace pgtally::test;
namespace asio = boost::asio;
using asio::ip::tcp;
using db::errc;

namespace {

// Answers the first eight bytes of each connection with the same words. Then it closes it when more comes; or it passes
// it on to a server that has said S.
class stranger {
public:
    explicit stranger(std::string answer, int beyond = 0)
        : answer_(std::move(answer))
        , beyond_(beyond)
        , acceptor_(thread_.context(), tcp::endpoint(asio::ip::address_v4::loopback(), 0))
        , port_(acceptor_.local_endpoint().port())
    {
        accept();
        thread_.start();
    }
    stranger(stranger const&) = delete;
    stranger& operator=(stranger const&) = delete;
    ~stranger()
    {
        thread_.context().stop();  // whatever is open
        thread_.join();
    }

    [[nodiscard]] std::string dsn(std::string const& rest) const
    {
        return "host=127.0.0.1 user=postgres password=open-sesame dbname=postgres port=" + std::to_string(port_) + " " +
               rest;
    }

private:
    struct pair {
        explicit pair(tcp::socket from) : client(std::move(from)), server(client.get_executor()) {}
        tcp::socket client;
        tcp::socket server;
    };

    void accept()
    {
        acceptor_.async_accept([this](db::error_code failure, tcp::socket socket) {
            if (failure) return;
            auto const made = std::make_shared<pair>(std::move(socket));
            asio::co_spawn(acceptor_.get_executor(), serve(made, answer_, beyond_), ignore);
            accept();
        });
    }

    static void ignore(std::exception_ptr) {}

    static asio::awaitable<void> serve(std::shared_ptr<pair> between, std::string answer, int beyond)
    {
        std::array<char, 8> request{};
        co_await asio::async_read(between->client, asio::buffer(request), asio::use_awaitable);
        if (beyond != 0) {
            auto const to = tcp::endpoint(asio::ip::address_v4::loopback(), static_cast<unsigned short>(beyond));
            co_await between->server.async_connect(to, asio::use_awaitable);
            co_await asio::async_write(between->server, asio::buffer(request), asio::use_awaitable);
            co_await asio::async_read(between->server, asio::buffer(request, 1), asio::use_awaitable);
        }
        co_await asio::async_write(between->client, asio::buffer(answer), asio::use_awaitable);
        if (beyond == 0) {
            co_await between->client.async_read_some(asio::buffer(request), asio::use_awaitable);
            co_return;
        }
        auto back = pass(between, between->server, between->client);
        asio::co_spawn(between->client.get_executor(), std::move(back), ignore);
        co_await pass(between, between->client, between->server);
    }

    // Until either ends.
    static asio::awaitable<void> pass(std::shared_ptr<pair> keep, tcp::socket& from, tcp::socket& to)
    {
        std::array<char, 16384> bytes;
        db::error_code failure;
        for (;;) {
            auto token = asio::redirect_error(asio::use_awaitable, failure);
            auto const count = co_await from.async_read_some(asio::buffer(bytes), token);
            if (failure) break;
            co_await asio::async_write(to, asio::buffer(bytes.data(), count), token);
            if (failure) break;
        }
        keep->client.close();
        keep->server.close();
    }

    std::string answer_;
    int beyond_;
    event_thread thread_{};
    tcp::acceptor acceptor_;
    int port_;
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(test_tls_strangers, failing_fixture)

BOOST_AUTO_TEST_CASE(server_that_declines_tls_gets_no_word_in_plain_text)
{
    stranger without("N");
    for (std::string const mode : {"require", "verify-ca", "verify-full"})
        fails({without.dsn("sslmode=" + mode + " sslrootcert=/etc/hostname"), errc::tls_failed, "", "ssl = on"}, mode);
}

BOOST_AUTO_TEST_CASE(answer_that_is_none_of_postgresqls_is_retried_at_the_same_address)
{
    stranger web("HTTP/1.1 400 Bad Request\r\n\r\n");
    fails({web.dsn("sslmode=require"), errc::connect_failed, "", "host and port"}, "a web server");
}

// CVE-2021-23222: what comes unencrypted after the S would be taken for the server's words within TLS.
BOOST_AUTO_TEST_CASE(plain_text_behind_the_answer_is_refused)
{
    using namespace std::string_literals;
    auto const server = tls_cluster::shared().server.port();
    stranger honest("S"s, server);
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection conn(executor);
        co_await conn.connect(settings(honest.dsn("sslmode=require")));
        BOOST_TEST(conn.is_open());
    });
    stranger injecting("SR\0\0\0\x08\0\0\0\0Z\0\0\0\x05I"s, server);
    auto const refused = fails({injecting.dsn("sslmode=require"), errc::tls_failed, "", "alters"}, "injected");
    BOOST_TEST(mentions(refused.what(), "unencrypted data"));
}

BOOST_AUTO_TEST_CASE(server_that_ends_at_the_first_word_of_tls_is_tried_again)
{
    stranger ending("S");
    fails({ending.dsn("sslmode=require"), errc::connect_failed, "", "host and port"}, "it closes");
}

BOOST_AUTO_TEST_SUITE_END()
