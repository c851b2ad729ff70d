#include <pgtally/server/base/log.hpp>
#include <pgtally/server/http/answer_writer.hpp>
#include <pgtally/server/http/forwarded.hpp>
#include <pgtally/server/http/header_text.hpp>
#include <pgtally/server/http/http_rules.hpp>
#include <pgtally/server/http/http_session.hpp>
#include <pgtally/server/http/message.hpp>
#include <pgtally/server/http/proxy_header.hpp>
#include <pgtally/server/http/taken_connection.hpp>
#include <pgtally/server/http/tcp_progress.hpp>
#include <pgtally/server/http/upgrade.hpp>

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <optional>
#include <utility>

#include <sys/socket.h>

namespace pgtally::server {

namespace http = beast::http;

namespace {

using parser_type = http::request_parser<http::string_body>;

response not_http()
{
    return problem(400, "bad_request", "this is not HTTP");
}

response too_many(crowded why)
{
    return problem(503, "too_many_clients",
                   why == crowded::at_address ? "your address has as many connections as it may: close some"
                                              : "the server has reached its limit of clients");
}

// Who serves a connection when its HTTP session ends; nobody if both are null.
struct successor {
    std::unique_ptr<upgrade> upgraded{};
    std::unique_ptr<taken_connection> taken{};
    address_places::place place{};
};

// One connection while it speaks HTTP. It is in the registry for as long as it exists.
class http_session final : public client {
public:
    http_session(tcp_socket socket, ip_address from, connection_context& with, entrance where)
        : stream_{make_stream(std::move(socket))}
        , with_{with}
        , where_{where}
        , from_{from}
        , writer_{stream_, with.bounds, with.counted}
        , buffer_{with.bounds.max_target_bytes + with.bounds.max_header_bytes + with.bounds.max_body_bytes + 4'096}
    {
        with_.connected.add(*this);
    }
    http_session(http_session const&) = delete;
    http_session& operator=(http_session const&) = delete;
    ~http_session() { with_.connected.remove(*this); }

    protocol speaks() const noexcept override { return protocol::http; }
    void drain() override
    {
        if (idle_) tcp_of(stream_).cancel();
        writer_.stop();
    }
    void cut() noexcept override
    {
        tcp_of(stream_).close();
        writer_.stop();
    }
    void check_liveness(std::chrono::steady_clock::time_point) override;

    // Serves requests until the connection ends or somebody else takes it.
    asio::awaitable<successor> run();
    asio::awaitable<void> refuse(crowded why);

private:
    enum class then { next, close, hand_over };

    asio::awaitable<bool> opens();
    asio::awaitable<bool> read_proxy_header();
    bool finds_place(message_header const& header);
    asio::awaitable<bool> request_begins();
    asio::awaitable<then> one_request();
    asio::awaitable<bool> read_header(parser_type& parser);
    asio::awaitable<bool> read_body(parser_type& parser);
    asio::awaitable<bool> read_chunks(parser_type& parser);
    std::string_view received() const noexcept;
    response parse(parser_type& parser, std::string_view header) const;
    std::size_t body_limit(message_type const& message) const;
    response body_too_large(message_type const& message) const;
    asio::awaitable<then> answer(message_type& message);
    void watch_client(std::function<void()> gone);
    void stop_watching();
    asio::awaitable<bool> refuse_request(response why);
    asio::awaitable<void> refuse_first(crowded why);
    asio::awaitable<then> send(message_type const& message, response answer);
    asio::awaitable<void> linger();

    client_stream stream_;
    connection_context& with_;
    entrance where_;
    ip_address from_;       // the other end of the connection, or whom a trusted proxy names before the first request
    ip_address client_;     // who sent the request
    bool crowded_ = false;  // its client has no place
    bool shared_ = false;   // a proxy sends the requests of several clients
    address_places::place place_;  // of the client that a trusted proxy names
    answer_writer writer_;
    beast::flat_buffer buffer_;
    successor successor_;
    bool idle_ = false;
    std::chrono::steady_clock::time_point began_{};  // to answer the request
    std::shared_ptr<std::function<void()>> gone_;    // what to call when the client closes its side; empty: nothing
};

asio::awaitable<successor> http_session::run()
{
    bool const open = co_await opens();
    if (!open) co_return successor{};
    if (crowded_) {
        co_await refuse_first(crowded::at_address);
        co_return successor{};
    }
    auto next = then::next;
    while (next == then::next) {
        // Never await inside a condition, here or elsewhere: with optimization, g++ 12 miscompiles `while (… &&
        // co_await …)`. It awaits although the left side is false, or traps.
        bool const begins = co_await request_begins();
        if (!begins) co_return successor{};
        next = co_await one_request();
    }
    co_return std::move(successor_);
}

asio::awaitable<bool> http_session::opens()
{
    bool const by_proxy = is_trusted(with_.trusted, from_);
    if (by_proxy) {
        bool const read = co_await read_proxy_header();
        if (!read) co_return false;
    }
    if (by_proxy && where_.kind == address_kind::open) {
        shared_ = is_trusted(with_.trusted, from_);
        auto place = shared_ ? address_places::place{} : with_.by_address.take(from_);
        if (place) place_ = std::move(*place);
        else crowded_ = true;
    }
    tcp_of(stream_).expires_after(with_.bounds.handshake_timeout);
    co_return co_await handshake(stream_, buffer_);
}

// Reads what a trusted proxy may say about the connection.
asio::awaitable<bool> http_session::read_proxy_header()
{
    for (;;) {
        auto const header = pgtally::server::read_proxy_header(received());
        if (header.found == proxy_header::state::absent) co_return true;
        if (header.found == proxy_header::state::refused) {
            log(log_level::info, "the proxy {} sent a PROXY header that is not valid: closed", to_string(from_));
            co_return false;
        }
        if (header.found == proxy_header::state::complete) {
            buffer_.consume(header.size);
            from_ = header.client.value_or(from_);
            co_return true;
        }
        idle_ = buffer_.size() == 0;
        if (with_.closing && idle_) co_return false;
        if (idle_) tcp_of(stream_).expires_after(with_.bounds.keep_alive);
        else tcp_of(stream_).expires_after(with_.bounds.header_timeout);
        auto const [failure, size] = co_await tcp_of(stream_).async_read_some(buffer_.prepare(4'096), as_values);
        idle_ = false;
        if (failure) co_return false;
        buffer_.commit(size);
    }
}

// Whether the client that sent the request has a place. A connection whose client is known has one itself; one that a proxy
// shares among clients has one for each request in progress.
bool http_session::finds_place(message_header const& header)
{
    client_ = client_of(header, from_, with_.trusted);
    if (!shared_) return true;
    auto place = with_.by_address.take(client_);
    if (place) place_ = std::move(*place);
    return place.has_value();
}

// Waits for the first byte of a request. Returns false if none comes.
asio::awaitable<bool> http_session::request_begins()
{
    if (buffer_.size() > 0) co_return true;
    if (with_.closing) co_return false;
    idle_ = true;
    tcp_of(stream_).expires_after(with_.bounds.keep_alive);
    auto const [failure, size] = co_await stream_.async_read_some(buffer_.prepare(4'096), as_values);
    idle_ = false;
    buffer_.commit(size);
    co_return !failure;
}

asio::awaitable<http_session::then> http_session::one_request()
{
    parser_type parser;
    bool const has_header = co_await read_header(parser);
    if (!has_header) co_return then::close;
    bool const has_body = co_await read_body(parser);
    if (!has_body) co_return then::close;

    auto message = parser.release();
    began_ = std::chrono::steady_clock::now();
    bool const has_place = finds_place(message);
    if (!has_place) {
        auto refused = too_many(crowded::at_address);
        co_return co_await send(message, std::move(refused));
    }
    auto const handshake = handshake_of(message);
    if (!handshake) co_return co_await answer(message);
    auto asked = request_of(message, where_);
    auto judged = with_.requests.judge_upgrade(asked);
    if (!judged) co_return co_await answer(message);
    if (judged->status == 101) {
        if (auto refused = refuse_handshake(*handshake); refused.status != 200) {
            refused.route = judged->route;
            refused.fields.emplace_back("Cache-Control", "no-cache");
            judged = std::move(refused);
        }
    }
    with_.counted.request(judged->route, judged->status);
    if (judged->status == 101) {
        auto const who = where_.kind == address_kind::admin ? audience::operators : audience::everybody;
        successor_.upgraded =
            std::make_unique<upgrade>(std::move(stream_), std::move(message), who, client_, std::move(asked.by));
        successor_.place = std::move(place_);
        co_return then::hand_over;
    }
    head_options const last{.version = message.version(), .keep_alive = false};
    co_await writer_.write(*judged, last, true);
    co_return then::close;
}

asio::awaitable<http_session::then> http_session::answer(message_type& message)
{
    auto asked = request_of(message, where_);
    asked.when_gone = [this](std::function<void()> gone) { watch_client(std::move(gone)); };
    tcp_of(stream_).expires_never();
    auto answer = co_await with_.requests.answer(asked);
    stop_watching();
    if (answer.lasts && asked.verb != method::head) {
        with_.counted.request(answer.route, answer.status);
        successor_.taken =
            std::make_unique<taken_connection>(std::move(stream_), std::move(answer), message.version(), client_);
        successor_.place = std::move(place_);
        co_return then::hand_over;
    }
    co_return co_await send(message, std::move(answer));
}

asio::awaitable<http_session::then> http_session::send(message_type const& message, response answer)
{
    with_.counted.request(answer.route, answer.status);
    bool const again =
        message.keep_alive() && !with_.closing && framing_of(answer, message.version()) != framing::close;
    head_options const how{.version = message.version(), .keep_alive = again};
    bool const sent = co_await writer_.write(answer, how, message.method() != http::verb::head);
    if (shared_) place_ = address_places::place{};
    std::chrono::duration<double> const time{std::chrono::steady_clock::now() - began_};
    if (!answer.waited && with_.counted.on_answered) with_.counted.on_answered(answer.route, time.count());
    if (logs(log_level::debug)) {
        log(log_level::debug, "{} {} {} {} {:.3f} ms", to_string(client_), view_of(message.method_string()),
            answer.route, answer.status, time.count() * 1e3);
    }
    co_return sent&& again ? then::next : then::close;
}

// Nobody reads while a request is answered. The handler runs after `stop_watching`, too, and then uses nothing.
void http_session::watch_client(std::function<void()> gone)
{
    if (gone_) *gone_ = nullptr;
    gone_ = std::make_shared<std::function<void()>>(std::move(gone));
    auto const on_readable = [this, watched = gone_](beast::error_code failure) {
        if (!*watched) return;
        char byte = 0;
        auto const handle = tcp_of(stream_).socket().native_handle();
        auto const size = failure ? 0 : ::recv(handle, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
        // If the client has sent its next request, it is there, and `check_liveness` looks for its end.
        if (size <= 0) (*watched)();
    };
    tcp_of(stream_).socket().async_wait(tcp::socket::wait_read, on_readable);
}

// The stream's deadlines bound a client that takes nothing.
void http_session::check_liveness(std::chrono::steady_clock::time_point)
{
    if (!gone_ || !*gone_) return;
    auto const progress = progress_of(tcp_of(stream_).socket().native_handle());
    if (progress && progress->ended) (*gone_)();
}

void http_session::stop_watching()
{
    if (!gone_) return;
    *gone_ = nullptr;
    gone_.reset();
    beast::error_code ignored;
    tcp_of(stream_).socket().cancel(ignored);
}

// Waits for a header, and parses it.
asio::awaitable<bool> http_session::read_header(parser_type& parser)
{
    auto const& bounds = with_.bounds;
    // A little more than both limits together: `refuse_header` finds out which of them is exceeded.
    auto const most = bounds.max_target_bytes + bounds.max_header_bytes + 1'024;
    header_text text;
    tcp_of(stream_).expires_after(bounds.header_timeout);
    for (;;) {
        auto const found = text.look(received());
        if (found == header_text::state::complete) break;
        if (found == header_text::state::refused) co_return co_await refuse_request(not_http());
        if (buffer_.size() > most) co_return co_await refuse_request(refuse_long_header(text.has_target(), bounds));
        auto const [failure, size] = co_await stream_.async_read_some(buffer_.prepare(4'096), as_values);
        if (failure) co_return false;
        buffer_.commit(size);
    }
    buffer_.consume(text.skipped());
    auto refused = parse(parser, received().substr(0, text.size()));
    buffer_.consume(text.size());
    if (refused.status != 200) co_return co_await refuse_request(std::move(refused));
    join_lists(parser.get());
    co_return true;
}

std::string_view http_session::received() const noexcept
{
    auto const data = buffer_.cdata();
    return {static_cast<char const*>(data.data()), data.size()};
}

// Returns why the header is refused; status 200 if it is not.
response http_session::parse(parser_type& parser, std::string_view header) const
{
    parser.header_limit(static_cast<std::uint32_t>(header.size() + 1));
    parser.body_limit(std::max(with_.bounds.max_body_bytes, with_.bounds.max_key_list_bytes));
    beast::error_code failure;
    parser.put(asio::buffer(header.data(), header.size()), failure);
    if (failure == http::error::bad_version && names_other_version(header))
        return problem(505, "bad_version", "this server speaks HTTP/1.1 and HTTP/1.0");
    if (failure && failure != http::error::body_limit) return not_http();

    auto const& message = parser.get();
    auto refused = refuse_header(facts_of(message), with_.bounds);
    if (refused.status != 200) return refused;
    if (failure) return body_too_large(message);
    // Most requests have no body: only for those that have one is the target looked at here.
    if (parser.chunked()) parser.body_limit(body_limit(message));
    auto const length = parser.content_length().value_or(0);
    return length > 0 && length > body_limit(message) ? body_too_large(message) : response{};
}

std::size_t http_session::body_limit(message_type const& message) const
{
    return with_.requests.body_limit(method_of(message.method()), view_of(message.target()));
}

response http_session::body_too_large(message_type const& message) const
{
    return problem(413, "body_too_large", "a body may have " + std::to_string(body_limit(message)) + " bytes");
}

asio::awaitable<bool> http_session::read_body(parser_type& parser)
{
    if (parser.is_done()) co_return true;
    auto const& message = parser.get();
    // RFC 9110, 10.1.1: a client of HTTP/1.0 does not know this answer.
    if (message.version() == 11 && beast::iequals(message[http::field::expect], "100-continue")) {
        std::string_view const go_on = "HTTP/1.1 100 Continue\r\n\r\n";
        bool const written = co_await writer_.write(go_on);
        if (!written) co_return false;
    }
    if (!parser.chunked()) {
        tcp_of(stream_).expires_after(with_.bounds.body_timeout);
        auto const [failure, size] = co_await http::async_read(stream_, buffer_, parser, as_values);
        co_return !failure;
    }
    // The parser would add the trailers to the header. Nobody reads them: they came after the header was judged.
    message_header const header = parser.get();
    bool const whole = co_await read_chunks(parser);
    static_cast<message_header&>(parser.get()) = header;
    co_return whole;
}

asio::awaitable<bool> http_session::read_chunks(parser_type& parser)
{
    std::size_t left = with_.bounds.max_chunk_bytes;
    // A chunk has its size and two ends of lines, and may have extensions.
    auto on_chunk = [&left](std::uint64_t, beast::string_view extensions, beast::error_code& failure) {
        auto const size = extensions.size() + 8;
        if (size > left) failure = http::error::bad_chunk_extension;
        else left -= size;
    };
    parser.on_chunk_header(on_chunk);
    tcp_of(stream_).expires_after(with_.bounds.body_timeout);
    auto const [failure, size] = co_await http::async_read(stream_, buffer_, parser, as_values);
    if (!failure) co_return true;
    if (failure == http::error::body_limit) {
        auto refused = body_too_large(parser.get());
        co_return co_await refuse_request(std::move(refused));
    }
    bool const gone = failure == http::error::end_of_stream || failure == http::error::partial_message;
    if (gone || failure.category() != http::make_error_code(http::error::bad_chunk).category()) co_return false;
    auto refused = problem(400, "bad_request", "the chunks of the body are not valid, or too long beside their data");
    co_return co_await refuse_request(std::move(refused));
}

// Answers a request that was not read, or not completely. Then the connection must close: returns always false.
asio::awaitable<bool> http_session::refuse_request(response why)
{
    with_.counted.request("none", why.status);
    why.fields.emplace_back("Cache-Control", "no-cache");
    head_options const how{.version = 11, .keep_alive = false};
    bool const sent = co_await writer_.write(why, how, true);
    if (sent) co_await linger();
    co_return false;
}

// Reads what the client still sends, for a short time: closing a socket with unread bytes resets the connection, and
// the client loses the answer.
asio::awaitable<void> http_session::linger()
{
    beast::error_code ignored;
    tcp_of(stream_).socket().shutdown(tcp::socket::shutdown_send, ignored);
    tcp_of(stream_).expires_after(with_.bounds.close_timeout);
    std::array<char, 4'096> bin;
    for (std::size_t left = 1U << 20; left > 0;) {
        auto const [failure, size] = co_await stream_.async_read_some(asio::buffer(bin), as_values);
        if (failure) break;
        left -= std::min(left, size);
    }
}

asio::awaitable<void> http_session::refuse(crowded why)
{
    bool const open = co_await opens();
    if (open) co_await refuse_first(why);
}

asio::awaitable<void> http_session::refuse_first(crowded why)
{
    bool const begins = co_await request_begins();
    if (!begins) co_return;
    auto refused = too_many(why);
    co_await refuse_request(std::move(refused));
}

}  // namespace

namespace {

// A coroutine of its own, so that the session, which takes 4 KiB and more, is freed before a WebSocket or a stream of
// events begins.
asio::awaitable<successor> serve_requests(tcp_socket socket, ip_address from, connection_context& with, entrance where)
{
    http_session session{std::move(socket), from, with, where};
    co_return co_await session.run();
}

}  // namespace

asio::awaitable<void> serve_connection(tcp_socket socket, ip_address from, connection_context& with, entrance where)
{
    beast::error_code ignored;
    socket.set_option(tcp::no_delay{true}, ignored);
    auto requests = serve_requests(std::move(socket), from, with, where);
    auto next = co_await std::move(requests);
    if (next.upgraded) co_await with.upgrades.serve(std::move(next.upgraded));
    if (next.taken) co_await next.taken->answer.lasts->serve(*next.taken);
}

asio::awaitable<void> refuse_connection(tcp_socket socket, ip_address from, connection_context& with, crowded why)
{
    http_session session{std::move(socket), from, with, entrance{}};
    co_await session.refuse(why);
}

}  // namespace pgtally::server
