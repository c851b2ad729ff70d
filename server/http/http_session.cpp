#include <pgtally/server/base/log.hpp>
#include <pgtally/server/http/answer_writer.hpp>
#include <pgtally/server/http/http_rules.hpp>
#include <pgtally/server/http/http_session.hpp>
#include <pgtally/server/http/taken_connection.hpp>
#include <pgtally/server/http/target.hpp>
#include <pgtally/server/http/tcp_progress.hpp>
#include <pgtally/server/http/upgrade.hpp>

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/websocket/rfc6455.hpp>

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
using message_type = http::request<http::string_body>;
using header_type = http::request_header<>;

std::string_view view_of(beast::string_view text) noexcept
{
    return {text.data(), text.size()};
}

method method_of(http::verb verb) noexcept
{
    switch (verb) {
        case http::verb::get: return method::get;
        case http::verb::head: return method::head;
        case http::verb::post: return method::post;
        case http::verb::options: return method::options;
        default: return method::other;
    }
}

header_facts facts_of(header_type const& header)
{
    header_facts out{.version = header.version(), .target_bytes = header.target().size()};
    for (auto const& field : header) {
        out.field_bytes += field.name_string().size() + field.value().size() + 4;
        if (field.name() == http::field::host) ++out.hosts;
        if (field.name() == http::field::origin) ++out.origins;
        if (field.name() == http::field::content_length) ++out.content_lengths;
        if (field.name() == http::field::transfer_encoding) out.transfer_encoding = true;
    }
    return out;
}

std::string joined(header_type const& header, http::field name, char separator = ',')
{
    std::string out;
    auto const [first, last] = header.equal_range(name);
    for (auto at = first; at != last; ++at) {
        if (at != first) out += separator;
        out += view_of(at->value());
    }
    return out;
}

std::string_view host_of(message_type const& message)
{
    // RFC 9112, 3.2.2: the host of an absolute target replaces the field.
    if (auto const named = authority_of(view_of(message.target()))) return *named;
    return view_of(message[http::field::host]);
}

request request_of(message_type const& message, entrance where)
{
    request out{.verb = method_of(message.method()),
                .target = view_of(message.target()),
                .host = host_of(message),
                .origin = {},
                .if_match = joined(message, http::field::if_match),
                .if_none_match = joined(message, http::field::if_none_match),
                .accept_encoding = joined(message, http::field::accept_encoding),
                .authorization = joined(message, http::field::authorization),
                .cookies = joined(message, http::field::cookie, ';'),
                .last_event_id = view_of(message["Last-Event-ID"]),
                .preflight = message.count(http::field::access_control_request_method) != 0,
                .body = message.body(),
                .admin = where.kind == address_kind::admin,
                .loopback = where.loopback};
    if (message.count(http::field::origin) != 0) out.origin = view_of(message[http::field::origin]);
    return out;
}

// Who serves a connection when its HTTP session ends; nobody if both are null.
struct successor {
    std::unique_ptr<upgrade> upgraded{};
    std::unique_ptr<taken_connection> taken{};
};

// One connection while it speaks HTTP. It is in the registry for as long as it exists.
class http_session final : public client {
public:
    http_session(tcp_socket socket, connection_context& with, entrance where)
        : stream_{make_stream(std::move(socket))}
        , with_{with}
        , where_{where}
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
    asio::awaitable<void> refuse();

private:
    enum class then { next, close, hand_over };

    asio::awaitable<bool> opens();
    asio::awaitable<bool> request_begins();
    asio::awaitable<then> one_request();
    asio::awaitable<bool> read_header(parser_type& parser);
    asio::awaitable<bool> read_body(parser_type& parser);
    std::size_t body_limit(message_type const& message) const;
    response body_too_large(message_type const& message) const;
    asio::awaitable<then> answer(message_type& message);
    void watch_client(std::function<void()> gone);
    void stop_watching();
    asio::awaitable<bool> refuse_request(response why);
    asio::awaitable<void> linger();

    client_stream stream_;
    connection_context& with_;
    entrance where_;
    answer_writer writer_;
    beast::flat_buffer buffer_;
    successor successor_;
    bool idle_ = false;
    std::shared_ptr<std::function<void()>> gone_;  // what to call when the client closes its side; empty: nothing
};

asio::awaitable<successor> http_session::run()
{
    bool const open = co_await opens();
    if (!open) co_return successor{};
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
    tcp_of(stream_).expires_after(with_.bounds.handshake_timeout);
    co_return co_await handshake(stream_);
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
    if (!beast::websocket::is_upgrade(message)) co_return co_await answer(message);
    auto asked = request_of(message, where_);
    auto const judged = with_.requests.judge_upgrade(asked);
    if (!judged) co_return co_await answer(message);
    with_.counted.request(judged->route, judged->status);
    if (judged->status == 101) {
        auto const who = where_.kind == address_kind::admin ? audience::operators : audience::everybody;
        successor_.upgraded =
            std::make_unique<upgrade>(std::move(stream_), std::move(message), who, std::move(asked.by));
        co_return then::hand_over;
    }
    head_options const last{.version = message.version(), .keep_alive = false};
    co_await writer_.write(*judged, last, true);
    co_return then::close;
}

asio::awaitable<http_session::then> http_session::answer(message_type& message)
{
    auto const began = std::chrono::steady_clock::now();
    auto asked = request_of(message, where_);
    asked.when_gone = [this](std::function<void()> gone) { watch_client(std::move(gone)); };
    tcp_of(stream_).expires_never();
    auto answer = co_await with_.requests.answer(asked);
    stop_watching();
    with_.counted.request(answer.route, answer.status);
    if (answer.lasts && asked.verb != method::head) {
        successor_.taken = std::make_unique<taken_connection>(std::move(stream_), std::move(answer), message.version());
        co_return then::hand_over;
    }
    bool const again =
        message.keep_alive() && !with_.closing && framing_of(answer, message.version()) != framing::close;
    head_options const how{.version = message.version(), .keep_alive = again};
    bool const sent = co_await writer_.write(answer, how, asked.verb != method::head);
    if (logs(log_level::debug)) {
        auto const ms = std::chrono::duration<double, std::milli>{std::chrono::steady_clock::now() - began}.count();
        log(log_level::debug, "{} {} {} {:.3f} ms", view_of(message.method_string()), answer.route, answer.status, ms);
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

asio::awaitable<bool> http_session::read_header(parser_type& parser)
{
    auto const& bounds = with_.bounds;
    // A little more than both limits together: `refuse_header` finds out which of them is exceeded.
    parser.header_limit(static_cast<std::uint32_t>(bounds.max_target_bytes + bounds.max_header_bytes + 1'024));
    parser.body_limit(std::max(bounds.max_body_bytes, bounds.max_key_list_bytes));
    tcp_of(stream_).expires_after(bounds.header_timeout);
    auto const [failure, size] = co_await http::async_read_header(stream_, buffer_, parser, as_values);
    if (!failure) {
        auto refused = refuse_header(facts_of(parser.get()), bounds);
        auto const& message = parser.get();
        // Most requests have no body: only for those that have one is the target looked at here.
        auto const length = parser.content_length().value_or(0);
        if (refused.status == 200 && length > 0 && length > body_limit(message)) refused = body_too_large(message);
        if (refused.status != 200) co_return co_await refuse_request(std::move(refused));
        co_return true;
    }
    if (failure == http::error::body_limit) {
        auto refused = refuse_header(facts_of(parser.get()), bounds);
        if (refused.status == 200) refused = body_too_large(parser.get());
        co_return co_await refuse_request(std::move(refused));
    }
    if (failure == http::error::header_limit || failure == http::error::buffer_overflow) {
        // The parser consumes the first line only when it is complete.
        bool const has_target = !parser.get().target().empty();
        co_return co_await refuse_request(refuse_long_header(has_target, bounds));
    }
    bool const gone = failure == http::error::end_of_stream || failure == http::error::partial_message;
    if (gone || failure.category() != http::make_error_code(http::error::bad_method).category()) co_return false;
    if (failure == http::error::bad_version) {
        co_return co_await refuse_request(problem(505, "bad_version", "this server speaks HTTP/1.1 and HTTP/1.0"));
    }
    co_return co_await refuse_request(problem(400, "bad_request", "this is not HTTP"));
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
    auto const expect = parser.get()[http::field::expect];
    if (beast::iequals(expect, "100-continue")) {
        std::string_view const go_on = "HTTP/1.1 100 Continue\r\n\r\n";
        bool const written = co_await writer_.write(go_on);
        if (!written) co_return false;
    }
    tcp_of(stream_).expires_after(with_.bounds.body_timeout);
    auto const [failure, size] = co_await http::async_read(stream_, buffer_, parser, as_values);
    if (failure == http::error::body_limit) {
        auto refused = body_too_large(parser.get());
        co_return co_await refuse_request(std::move(refused));
    }
    co_return !failure;
}

// Answers a request that was not read, or not completely. Then the connection must close: returns always false.
asio::awaitable<bool> http_session::refuse_request(response why)
{
    with_.counted.request("none", why.status);
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

asio::awaitable<void> http_session::refuse()
{
    bool const open = co_await opens();
    if (!open) co_return;
    bool const begins = co_await request_begins();
    if (!begins) co_return;
    auto why = problem(503, "too_many_clients", "the server has reached its limit of clients");
    co_await refuse_request(std::move(why));
}

}  // namespace

namespace {

// A coroutine of its own, so that the session, which takes 4 KiB and more, is freed before a WebSocket or a stream of
// events begins.
asio::awaitable<successor> serve_requests(tcp_socket socket, connection_context& with, entrance where)
{
    http_session session{std::move(socket), with, where};
    co_return co_await session.run();
}

}  // namespace

asio::awaitable<void> serve_connection(tcp_socket socket, connection_context& with, entrance where)
{
    beast::error_code ignored;
    socket.set_option(tcp::no_delay{true}, ignored);
    auto requests = serve_requests(std::move(socket), with, where);
    auto next = co_await std::move(requests);
    if (next.upgraded) co_await with.upgrades.serve(std::move(next.upgraded));
    if (next.taken) co_await next.taken->answer.lasts->serve(*next.taken);
}

asio::awaitable<void> refuse_connection(tcp_socket socket, connection_context& with)
{
    http_session session{std::move(socket), with, entrance{}};
    co_await session.refuse();
}

}  // namespace pgtally::server
