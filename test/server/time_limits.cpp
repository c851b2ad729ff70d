// Time limits, made short: the server closes a client that does nothing.

#include <pgtally/server/service.hpp>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <boost/test/unit_test.hpp>

#include <csignal>
#include <fstream>
#include <thread>

#include <sys/socket.h>
#include <sys/time.h>

namespace pgtally::server {

BOOST_AUTO_TEST_SUITE(test_time_limits)

namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

std::uint16_t free_port()
{
    asio::io_context io;
    return tcp::acceptor{io, {asio::ip::address_v4::loopback(), 0}}.local_endpoint().port();
}

serve_options short_times(std::uint16_t port)
{
    using namespace std::chrono_literals;
    serve_options out;
    out.dsn = "host=127.0.0.1 port=1 user=nobody";
    out.listen = {{"127.0.0.1", port}};
    out.heartbeat = out.materialize_every = 1s;
    out.max_keys = 1'000;
    out.level = log_level::off;
    out.bounds.max_clients = 20;
    out.bounds.keep_alive = out.bounds.ping_after = 1s;
    out.bounds.header_timeout = out.bounds.body_timeout = out.bounds.answer_timeout = out.bounds.close_timeout = 1s;
    return out;
}

// Runs the service in a thread of its own until the end of the test.
struct running {
    explicit running(serve_options options) : one{std::move(options), nullptr}, thread{[this] { status = one.run(); }}
    {
    }
    ~running()
    {
        std::raise(SIGTERM);
        thread.join();
        BOOST_TEST(status == 0);
    }
    service one;
    int status = -1;
    std::thread thread;
};

struct visitor {
    explicit visitor(std::uint16_t port)
    {
        socket.connect({asio::ip::address_v4::loopback(), port});
        timeval const longest{20, 0};
        ::setsockopt(socket.native_handle(), SOL_SOCKET, SO_RCVTIMEO, &longest, sizeof longest);
    }

    void say(std::string const& text) { asio::write(socket, asio::buffer(text)); }

    void await_head()
    {
        std::string head;
        asio::read_until(socket, asio::dynamic_buffer(head), "\r\n\r\n");
    }

    // Returns all bytes until the server closes; nothing if the server does not close.
    std::optional<std::string> rest()
    {
        std::string out;
        char part[65'536];
        for (;;) {
            auto const got = ::recv(socket.native_handle(), part, sizeof part, 0);
            if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return std::nullopt;
            if (got <= 0) return out;
            out.append(part, static_cast<std::size_t>(got));
        }
    }

    asio::io_context io;
    tcp::socket socket{io};
};

std::string const upgrade =
    "GET /v1/ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

}  // namespace

BOOST_AUTO_TEST_CASE(who_says_nothing_is_closed)
{
    auto const port = free_port();
    running const server{short_times(port)};
    visitor silent{port}, half_header{port}, half_body{port}, idle{port};
    half_header.say("GET / HTTP/1.1\r\nHost:");
    half_body.say("POST /v1/tallies/t/keys/1/fav HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{");
    idle.say("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n");
    BOOST_TEST((silent.rest() == ""));
    BOOST_TEST((half_header.rest() == ""));
    BOOST_TEST((half_body.rest() == ""));
    BOOST_TEST(idle.rest().value_or("").starts_with("HTTP/1.1 200 "));
}

BOOST_AUTO_TEST_CASE(who_takes_no_answer_is_cut)
{
    auto const port = free_port();
    auto options = short_times(port);
    std::string folder = "/tmp/pgtally-web-XXXXXX";
    BOOST_TEST_REQUIRE(::mkdtemp(folder.data()) != nullptr);
    std::size_t const size = 16U << 20;
    std::ofstream{folder + "/large"} << std::string(size, 'x');
    options.web = folder;
    running const server{options};
    visitor slow{port};
    slow.say("GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n");
    // Waits for two keep-alives. Each is as long as the time in which a client must take a byte of an answer.
    for (int i = 0; i < 2; ++i) {
        visitor another{port};
        BOOST_TEST((another.rest() == ""));
    }
    auto const taken = slow.rest();
    BOOST_TEST_REQUIRE(taken.has_value());
    BOOST_TEST(taken->starts_with("HTTP/1.1 200 "));
    BOOST_TEST(taken->size() < size);
    std::remove((folder + "/large").c_str());
    std::remove(folder.c_str());
}

BOOST_AUTO_TEST_CASE(a_websocket_that_answers_no_ping_is_cut)
{
    auto const port = free_port();
    running const server{short_times(port)};
    visitor mute{port};
    mute.say(upgrade);
    auto const heard = mute.rest();
    BOOST_TEST_REQUIRE(heard.has_value());
    BOOST_TEST(heard->starts_with("HTTP/1.1 101 "));
    BOOST_TEST(heard->ends_with(std::string{"\x89\0", 2}));
}

BOOST_AUTO_TEST_CASE(a_websocket_that_answers_no_close_is_cut)
{
    auto const port = free_port();
    running const server{short_times(port)};
    visitor mute{port};
    mute.say(upgrade);
    mute.await_head();
    mute.say(std::string{"\x82\x81\0\0\0\0x", 7});  // binary, which is closed with 1003
    auto const heard = mute.rest();
    BOOST_TEST_REQUIRE(heard.has_value());
    BOOST_TEST(heard->find("\x03\xeb") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace pgtally::server
