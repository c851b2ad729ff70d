#include <pgtally/server/base/log.hpp>
#include <pgtally/server/http/answer_writer.hpp>
#include <pgtally/server/http/client_stream.hpp>
#include <pgtally/server/http/client_watch.hpp>
#include <pgtally/server/http/forwarded.hpp>
#include <pgtally/server/http/http_rules.hpp>
#include <pgtally/server/http/http_session.hpp>
#include <pgtally/server/http/message.hpp>
#include <pgtally/server/http/proxy_header.hpp>
#include <pgtally/server/http/request_reader.hpp>
#include <pgtally/server/http/taken_connection.hpp>
#include <pgtally/server/http/upgrade.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

namespace pgtally::server {

namespace http = beast::http;

namespace {

response too_many(crowded why)
{
    return problem(503, "too_many_clients",
                   why == crowded::at_address ? "your address has as many connections as it may: close some"
                                              : "the server has reached its limit of clients");
}

// Who serves a connection when its HTTP session ends; nobody if both are empty.
struct successor {
    std::optional<upgrade> upgraded{};
    std::optional<taken_connection> taken{};
};

// One connection while it speaks HTTP. It is in the registry for as long as it exists.
class http_session final : public client {
public:
    http_session(stream_socket socket, ip_address from, connection_context& with, entrance where, place_held place)
        : stream_{std::move(socket)}
        , with_{with}
        , where_{where}
        , from_{from}
        , place_{std::move(place)}
        , writer_{stream_, with.bounds, with.counted}
        , reader_{stream_, writer_, with.requests, with.bounds}
        , watch_{stream_}
    {
        with_.connected.add(*this);
    }
    http_session(http_session const&) = delete;
    http_session& operator=(http_session const&) = delete;
    ~http_session();

    protocol speaks() const noexcept override { return protocol::http; }
    void drain() override
    {
        if (reader_.idle()) stream_.cancel();
        writer_.stop();
    }
    void cut() noexcept override
    {
        stream_.close();
        writer_.stop();
    }
    void check_liveness(std::chrono::steady_clock::time_point now) override
    {
        stream_.check_deadline(now);
        if (stream_.is_open()) watch_.look(now);
    }

    // Serves requests until the connection ends or somebody else takes it.
    asio::awaitable<successor> run();
    asio::awaitable<void> refuse(crowded why);

private:
    enum class then { next, close, hand_over };

    asio::awaitable<bool> opens();
    asio::awaitable<bool> read_proxy_header();
    asio::awaitable<bool> encrypt();
    bool finds_place(message_header const& header);
    asio::awaitable<then> one_request();
    asio::awaitable<then> answer(message_type& message);
    asio::awaitable<bool> refuse_request(response why);
    asio::awaitable<void> refuse_first(crowded why);
    asio::awaitable<then> send(message_type const& message, response answer);
    asio::awaitable<void> linger();
    void note(served_request what);

    client_stream stream_;
    connection_context& with_;
    entrance where_;
    ip_address from_;       // the other end of the connection, or whom a trusted proxy names before the first request
    ip_address client_;     // who sent the request
    bool crowded_ = false;  // its client has no place
    bool shared_ = false;   // a proxy sends the requests of several clients
    place_held place_;
    answer_writer writer_;
    request_reader reader_;
    client_watch watch_;
    successor successor_;
    bool handed_over_ = false;
    std::chrono::steady_clock::time_point began_{};  // to answer the request
    std::chrono::steady_clock::time_point const connected_at_ = std::chrono::steady_clock::now();
    std::uint64_t requests_ = 0, bytes_ = 0;
};

// Who goes on as a WebSocket or a stream of events has its line at the end of that.
http_session::~http_session()
{
    with_.connected.remove(*this);
    if (handed_over_ || !logs(log_level::debug)) return;
    std::chrono::duration<double> const life{std::chrono::steady_clock::now() - connected_at_};
    auto const address = to_string(from_);
    log_event(log_level::debug, "a client left",
              {{"client", address},
               {"protocol", "http"},
               {"seconds", life.count()},
               {"requests", requests_},
               {"bytes", bytes_}});
}

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
        if (with_.closing && reader_.received().empty()) co_return successor{};
        bool const begins = co_await reader_.begins();
        if (!begins) co_return successor{};
        next = co_await one_request();
    }
    handed_over_ = next == then::hand_over;
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
        if (place) place_.set_address(std::move(*place));
        else crowded_ = true;
    }
    if (!where_.encrypted) co_return true;
    co_return co_await encrypt();
}

// Reads what a trusted proxy may say about the connection.
asio::awaitable<bool> http_session::read_proxy_header()
{
    for (;;) {
        auto const header = pgtally::server::read_proxy_header(reader_.received());
        if (header.found == proxy_header::state::absent) co_return true;
        if (header.found == proxy_header::state::refused) {
            log(log_level::info, "the proxy {} sent a PROXY header that is not valid: closed", to_string(from_));
            co_return false;
        }
        if (header.found == proxy_header::state::complete) {
            reader_.consume(header.size);
            from_ = header.client.value_or(from_);
            co_return true;
        }
        bool came = false;
        if (reader_.received().empty()) {
            if (with_.closing) co_return false;
            came = co_await reader_.begins();
        } else {
            stream_.expires_after(with_.bounds.header_timeout);
            came = co_await reader_.more();
        }
        if (!came) co_return false;
    }
}

// The TLS handshake.
asio::awaitable<bool> http_session::encrypt()
{
    auto session = with_.tls->session();
    if (!session) co_return false;
    stream_.expires_after(with_.bounds.handshake_timeout);
    std::string const received{reader_.received()};
    reader_.consume(received.size());
    auto const done = co_await stream_.encrypt(std::move(session), received, with_.handshakes);
    if (done.need == io_need::nothing) co_return true;
    ++with_.counted.handshakes_failed;
    if (done.fault == tls_fault::plain_http) {
        stream_.give_up_encryption();
        auto refused = problem(400, "bad_request", "this address speaks HTTPS: use https://");
        co_await refuse_request(std::move(refused));
    } else if (done.fault == tls_fault::refused) {
        log(log_level::debug, "client {}: the TLS handshake failed: {}", to_string(from_), done.why);
    }
    co_return false;
}

// Whether the client that sent the request has a place. A connection whose client is known has one itself; one that a proxy
// shares among clients has one for each request in progress.
bool http_session::finds_place(message_header const& header)
{
    client_ = client_of(header, from_, with_.trusted);
    if (!shared_) return true;
    auto place = with_.by_address.take(client_);
    if (place) place_.set_address(std::move(*place));
    return place.has_value();
}

asio::awaitable<http_session::then> http_session::one_request()
{
    auto read = co_await reader_.next();
    if (read.refused) co_await refuse_request(std::move(*read.refused));
    if (!read.message) co_return then::close;
    auto& message = *read.message;
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
        successor_.upgraded.emplace(upgrade{.stream = std::move(stream_),
                                            .key = std::string{handshake->key},
                                            .protocols = handshake->protocols,
                                            .who = who,
                                            .client = client_,
                                            .by = std::move(asked.by),
                                            .received = std::string{reader_.received()},
                                            .place = std::move(place_)});
        co_return then::hand_over;
    }
    head_options const last{.version = message.version(), .keep_alive = false};
    co_await writer_.write(*judged, last, true);
    note({.client = client_,
          .method = "GET",
          .route = judged->route,
          .version = message.version(),
          .status = judged->status});
    co_return then::close;
}

asio::awaitable<http_session::then> http_session::answer(message_type& message)
{
    auto asked = request_of(message, where_);
    asked.when_gone = [this](std::function<void()> gone) { watch_.begin(std::move(gone)); };
    stream_.expires_never();
    auto answer = co_await with_.requests.answer(asked);
    watch_.end();
    if (answer.lasts && asked.verb != method::head) {
        with_.counted.request(answer.route, answer.status);
        successor_.taken.emplace(
            taken_connection{std::move(stream_), std::move(answer), message.version(), client_, std::move(place_)});
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
    if (shared_) place_.set_address({});
    std::chrono::duration<double> const time{std::chrono::steady_clock::now() - began_};
    if (!answer.waited && with_.counted.on_answered) with_.counted.on_answered(answer.route, time.count());
    note({.client = client_,
          .method = view_of(message.method_string()),
          .route = answer.route,
          .version = message.version(),
          .status = answer.status,
          .seconds = time.count()});
    co_return sent&& again ? then::next : then::close;
}

void http_session::note(served_request what)
{
    ++requests_;
    what.bytes = writer_.written();
    bytes_ += what.bytes;
    with_.accesses.add(what);
}

// Answers a request that was not read, or not completely. Then the connection must close: returns always false.
asio::awaitable<bool> http_session::refuse_request(response why)
{
    with_.counted.request("none", why.status);
    why.fields.emplace_back("Cache-Control", "no-cache");
    head_options const how{.version = 11, .keep_alive = false};
    bool const sent = co_await writer_.write(why, how, true);
    note({.client = from_, .method = "-", .route = "-", .status = why.status});
    if (sent) co_await linger();
    co_return false;
}

// Reads what the client still sends, for a short time: closing a socket with unread bytes resets the connection, and
// the client loses the answer.
asio::awaitable<void> http_session::linger()
{
    stream_.shut_down();
    stream_.expires_after(with_.bounds.close_timeout);
    std::array<char, 4'096> bin;
    for (std::size_t left = 1U << 20; left > 0;) {
        auto const size = co_await stream_.read_some(bin);
        if (size == 0) break;
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
    bool const begins = co_await reader_.begins();
    if (!begins) co_return;
    auto refused = too_many(why);
    co_await refuse_request(std::move(refused));
}

}  // namespace

namespace {

// A coroutine of its own, so that the session, which takes 4 KiB and more, is freed before somebody else takes the connection.
asio::awaitable<successor> serve_requests(stream_socket socket, ip_address from, connection_context& with,
                                          entrance where, place_held place)
{
    http_session session{std::move(socket), from, with, where, std::move(place)};
    co_return co_await session.run();
}

}  // namespace

asio::awaitable<void> serve_connection(stream_socket socket, ip_address from, connection_context& with, entrance where,
                                       place_held place)
{
    auto requests = serve_requests(std::move(socket), from, with, where, std::move(place));
    auto next = co_await std::move(requests);
    if (next.upgraded) with.upgrades.serve(std::move(*next.upgraded));
    if (!next.taken) co_return;
    auto const answer = next.taken->answer.lasts;
    answer->serve(std::move(*next.taken));
}

asio::awaitable<void> refuse_connection(stream_socket socket, ip_address from, connection_context& with, entrance where,
                                        place_held place, crowded why)
{
    http_session session{std::move(socket), from, with, where, std::move(place)};
    co_await session.refuse(why);
}

}  // namespace pgtally::server
