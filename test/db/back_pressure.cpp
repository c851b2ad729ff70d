// A server that sends and does not read until its data has been read. PostgreSQL itself reads a whole statement
// before it answers, so the test has its own server.

#include <pgtally/test/db/fixture.hpp>

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

#include <array>
#include <cstdint>
#include <thread>

using namespace pgtally;
using namespace pgtally::test;
namespace asio = boost::asio;
BOOST_FIXTURE_TEST_SUITE(test_back_pressure, db_fixture)

using tcp = asio::ip::tcp;

namespace {

constexpr std::size_t much = 20'000'000;  // more than the socket's buffers hold

std::string number(std::size_t value)
{
    std::string bytes;
    for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift & 0xff);
    return bytes;
}

std::string message(char type, std::string const& body)
{
    return type + number(body.size() + 4) + body;
}

class talkative_server {
public:
    talkative_server()
        : acceptor_(context_, tcp::endpoint(asio::ip::address_v4::loopback(), 0))
        , port_(acceptor_.local_endpoint().port())
        , thread_([this] { serve(); })
    {
    }
    ~talkative_server() { thread_.join(); }
    talkative_server(talkative_server const&) = delete;
    talkative_server& operator=(talkative_server const&) = delete;

    [[nodiscard]] int port() const noexcept { return port_; }

private:
    void serve()
    {
        boost::system::error_code ignored;  // a client that gives up ends the connection
        tcp::socket client(context_);
        acceptor_.accept(client, ignored);
        static_cast<void>(take(client, 0));  // the startup message has no type
        auto const idle = message('Z', "I");
        send(client, message('R', number(0)) + message('K', number(1) + number(2)) + idle);
        std::string const zero(1, '\0');
        auto const notice = message(
            'N', "SNOTICE" + zero + "VNOTICE" + zero + "C00000" + zero + "M" + std::string(8000, 'n') + zero + zero);
        std::string talk;
        while (talk.size() < much) talk += notice;
        send(client, talk);  // returns when the client has read it
        static_cast<void>(take(client, 1));
        send(client, message('C', "SELECT 0" + zero) + idle);
        static_cast<void>(take(client, 1));  // Terminate
    }

    static void send(tcp::socket& to, std::string const& bytes)
    {
        boost::system::error_code ignored;
        asio::write(to, asio::buffer(bytes), ignored);
    }

    static std::size_t take(tcp::socket& from, std::size_t type_bytes)
    {
        boost::system::error_code ignored;
        std::array<unsigned char, 5> head{};
        asio::read(from, asio::buffer(head.data(), type_bytes + 4), ignored);
        std::size_t size = 0;
        for (std::size_t i = 0; i < 4; ++i) size = size << 8 | head[type_bytes + i];
        if (ignored || size < 4) return 0;
        std::string body(size - 4, '\0');
        return asio::read(from, asio::buffer(body), ignored);
    }

    asio::io_context context_;
    tcp::acceptor acceptor_;
    int port_;
    std::thread thread_;
};

}  // namespace

BOOST_AUTO_TEST_CASE(server_that_talks_while_we_send_is_read)
{
    talkative_server server;
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        db::connection conn(executor);
        auto patient = settings(
            "host=127.0.0.1 user=u dbname=d sslmode=disable gssencmode=disable "
            "target_session_attrs=any port=" +
            std::to_string(server.port()));
        patient.query_timeout = std::chrono::seconds{20};  // a client that only writes waits for ever
        co_await conn.connect(patient);
        co_await conn.script("select '" + std::string(much, 'q') + "'");
        BOOST_TEST(conn.is_open());
    });
    BOOST_TEST(log->contain("NOTICE: nnn"));
}

BOOST_AUTO_TEST_SUITE_END()
