// HTTP over a socket, with answers that the tests choose: streamed bodies, and the end of the session at an upgrade.

#include <pgtally/db/detail/signal.hpp>
#include <pgtally/server/http/acceptor.hpp>
#include <pgtally/server/http/upgrade.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/test/unit_test.hpp>

#include <future>
#include <stdexcept>
#include <thread>

#include <sys/socket.h>
#include <sys/time.h>

namespace pgtally::server {

namespace {

// Returns pieces one after another. At an empty piece it throws.
class pieces final : public body_source {
public:
    pieces(std::vector<std::string> all, std::optional<std::uint64_t> size) : all_{std::move(all)}, size_{size} {}
    std::optional<std::uint64_t> size() const noexcept override { return size_; }
    asio::awaitable<std::string_view> next() override
    {
        if (at_ == all_.size()) co_return std::string_view{};
        auto const& piece = all_[at_++];
        if (piece.empty()) throw std::runtime_error{"no more"};
        co_return piece;
    }

private:
    std::vector<std::string> const all_;
    std::optional<std::uint64_t> size_;
    std::size_t at_ = 0;
};

// Returns one piece, and then waits until it is stopped.
class waiting final : public body_source {
public:
    explicit waiting(asio::any_io_executor executor) : stopped_{std::move(executor)} {}
    std::optional<std::uint64_t> size() const noexcept override { return std::nullopt; }
    asio::awaitable<std::string_view> next() override
    {
        if (std::exchange(first_, false)) co_return "event";
        co_await stopped_.wait();
        co_return std::string_view{};
    }
    void stop() noexcept override { stopped_.notify(); }

private:
    db::detail::signal stopped_;
    bool first_ = true;
};

struct test_server final : request_handler, upgrade_handler {
    test_server()
    {
        asio::co_spawn(io, at.run(with), [](std::exception_ptr) {});
        thread = std::thread{[this] { io.run(); }};
    }
    ~test_server()
    {
        asio::post(io, [this] {
            closing = true;
            at.close();
            for (auto* const each : connected.those_of(protocol::http)) each->cut();
        });
        thread.join();
        BOOST_TEST(connected.size() == 0U);
    }

    asio::awaitable<response> answer(request& asked) override
    {
        response out{.content_type = "text/plain", .route = "test"};
        using list = std::vector<std::string>;
        if (asked.target == "/chunks") {
            list const all{"abc", std::string(16, 'd')};
            out.streamed = std::make_unique<pieces>(all, std::nullopt);
        } else if (asked.target == "/sized") {
            list const all{"abc", "de"};
            out.streamed = std::make_unique<pieces>(all, 5U);
        } else if (asked.target == "/short" || asked.target == "/long") {
            list const all{"abc", "de"};
            out.streamed = std::make_unique<pieces>(all, asked.target == "/short" ? 6U : 4U);
        } else if (asked.target == "/broken") {
            list const all{"abc", ""};
            out.streamed = std::make_unique<pieces>(all, std::nullopt);
        } else if (asked.target == "/gone") {
            db::detail::signal left{io.get_executor()};
            asked.when_gone([&left] { left.notify(); });
            co_await left.wait();
            gone.set_value();
        } else if (asked.target == "/waiting") {
            out.streamed = std::make_unique<waiting>(io.get_executor());
        } else {
            out.body = "whole";
        }
        co_return out;
    }

    std::size_t body_limit(method, std::string_view) const override { return bounds.max_body_bytes; }

    std::optional<response> judge_upgrade(request& asked) const override
    {
        if (asked.target != "/upgrade") return std::nullopt;
        return response{.status = 101, .route = "test"};
    }

    void serve(upgrade accepted) override
    {
        auto const registered = connected.size();
        bool const open = accepted.stream.is_open();
        upgraded.set_value({registered, open, accepted.key});
    }

    struct seen {
        std::size_t registered;
        bool open;
        std::string key;
    };

    asio::io_context io{1};
    limits bounds;
    clients connected;
    traffic counted;
    bool closing = false;
    std::vector<ip_network> trusted;
    address_places by_address{0};
    fair_turns handshakes{io};
    access_log accesses{"", log_format::text};
    connection_context with{bounds,  *this,   *this,      connected, counted,   accesses,
                            closing, trusted, by_address, nullptr,   handshakes};
    acceptor at{listen_at(io, {"127.0.0.1", 0}, {}), address_kind::open, false};
    std::promise<seen> upgraded;
    std::promise<void> gone;
    std::thread thread;
};

struct visitor {
    explicit visitor(test_server const& of)
    {
        socket.connect({asio::ip::address_v4::loopback(), of.at.address().port});
        timeval const longest{20, 0};
        ::setsockopt(socket.native_handle(), SOL_SOCKET, SO_RCVTIMEO, &longest, sizeof longest);
    }

    void ask(std::string const& method, std::string const& path, char const* version = "1.1", char const* fields = "")
    {
        auto const text = method + ' ' + path + " HTTP/" + version + "\r\nHost: x\r\n" + fields + "\r\n";
        ::send(socket.native_handle(), text.data(), text.size(), MSG_NOSIGNAL);
    }

    // Returns all bytes until `end` arrives or the server closes.
    std::string heard_until(std::string const& end)
    {
        std::string out;
        char part[4'096];
        while (end.empty() || !out.ends_with(end)) {
            auto const got = ::recv(socket.native_handle(), part, sizeof part, 0);
            if (got < 0) return out + "(nothing more)";
            if (got == 0) return out + "(closed)";
            out.append(part, static_cast<std::size_t>(got));
        }
        return out;
    }

    asio::io_context io;
    asio::ip::tcp::socket socket{io};
};

std::string body_of(std::string const& answer)
{
    auto const end = answer.find("\r\n\r\n");
    return end == std::string::npos ? "no head: " + answer : answer.substr(end + 4);
}

constexpr auto chunked = "Transfer-Encoding: chunked\r\n";

struct http_session_fixture {
    test_server server;
    visitor client{server};
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(test_http_session, http_session_fixture)

BOOST_AUTO_TEST_CASE(a_stream_is_chunked_and_the_connection_stays)
{
    for (int i = 0; i < 2; ++i) {
        client.ask("GET", "/chunks");
        auto const answer = client.heard_until("0\r\n\r\n");
        BOOST_TEST(answer.find(chunked) != std::string::npos, answer);
        BOOST_TEST(answer.find("Content-Length") == std::string::npos, answer);
        BOOST_TEST(body_of(answer) == "3\r\nabc\r\n10\r\ndddddddddddddddd\r\n0\r\n\r\n");
    }
    client.ask("GET", "/whole");
    BOOST_TEST(body_of(client.heard_until("whole")) == "whole");
}

BOOST_AUTO_TEST_CASE(http_1_0_has_no_chunks_and_is_closed)
{
    client.ask("GET", "/chunks", "1.0", "Connection: keep-alive\r\n");
    auto const answer = client.heard_until("");
    BOOST_TEST(answer.starts_with("HTTP/1.0 200 "), answer);
    BOOST_TEST(answer.find(chunked) == std::string::npos, answer);
    BOOST_TEST(answer.find("Connection: close\r\n") != std::string::npos, answer);
    BOOST_TEST(body_of(answer) == "abcdddddddddddddddd(closed)");
}

BOOST_AUTO_TEST_CASE(a_stream_of_known_size_has_a_length)
{
    for (auto const* const version : {"1.1", "1.0"}) {
        BOOST_TEST_CONTEXT(version)
        {
            client.ask("GET", "/sized", version, "Connection: keep-alive\r\n");
            auto const answer = client.heard_until("de");
            BOOST_TEST(answer.find("Content-Length: 5\r\n") != std::string::npos, answer);
            BOOST_TEST(body_of(answer) == "abcde");
        }
    }
}

BOOST_AUTO_TEST_CASE(head_has_no_body)
{
    client.ask("HEAD", "/chunks");
    auto const answer = client.heard_until("\r\n\r\n");
    BOOST_TEST(answer.find(chunked) != std::string::npos, answer);
    client.ask("HEAD", "/waiting");
    BOOST_TEST(client.heard_until("\r\n\r\n").find(chunked) != std::string::npos);
    client.ask("GET", "/whole");
    BOOST_TEST(body_of(client.heard_until("whole")) == "whole");
}

BOOST_AUTO_TEST_CASE(a_body_that_cannot_be_whole_is_cut_short)
{
    client.ask("GET", "/broken");
    BOOST_TEST(body_of(client.heard_until("")) == "3\r\nabc\r\n(closed)");
    visitor second{server}, third{server};
    second.ask("GET", "/short");
    BOOST_TEST(body_of(second.heard_until("")) == "abcde(closed)");
    third.ask("GET", "/long");
    BOOST_TEST(body_of(third.heard_until("")) == "abc(closed)");
}

BOOST_AUTO_TEST_CASE(an_answer_that_waits_learns_that_its_client_left)
{
    auto gone = server.gone.get_future();
    {
        visitor leaving{server};
        leaving.ask("GET", "/gone");
        client.ask("GET", "/whole");  // the server has both requests
        BOOST_TEST(body_of(client.heard_until("whole")) == "whole");
    }
    BOOST_TEST((gone.wait_for(std::chrono::seconds{30}) == std::future_status::ready));
}

BOOST_AUTO_TEST_CASE(a_drain_ends_a_stream_that_waits)
{
    client.ask("GET", "/waiting");
    auto answer = client.heard_until("event\r\n");
    asio::post(server.io, [this] {
        server.closing = true;
        for (auto* const each : server.connected.those_of(protocol::http)) each->drain();
    });
    BOOST_TEST(body_of(answer + client.heard_until("")) == "5\r\nevent\r\n0\r\n\r\n(closed)");
}

BOOST_AUTO_TEST_CASE(a_cut_ends_a_stream_that_waits)
{
    client.ask("GET", "/waiting");
    client.heard_until("event\r\n");
    asio::post(server.io, [this] {
        for (auto* const each : server.connected.those_of(protocol::http)) each->cut();
    });
    BOOST_TEST(client.heard_until("") == "(closed)");
}

BOOST_AUTO_TEST_CASE(an_accepted_upgrade_ends_the_http_session)
{
    client.ask("GET", "/upgrade", "1.1",
               "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
               "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n");
    auto const seen = server.upgraded.get_future().get();
    // A session is registered for as long as it exists.
    BOOST_TEST(seen.registered == 0U);
    BOOST_TEST(seen.open);
    BOOST_TEST(seen.key == "dGhlIHNhbXBsZSBub25jZQ==");
    BOOST_TEST(client.heard_until("") == "(closed)");
}

BOOST_AUTO_TEST_CASE(an_upgrade_elsewhere_is_a_request_like_others)
{
    client.ask("GET", "/whole", "1.1",
               "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
               "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n");
    BOOST_TEST(body_of(client.heard_until("whole")) == "whole");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace pgtally::server
