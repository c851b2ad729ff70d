#include <pgtally/server/ask/http_exchange.hpp>
#include <pgtally/server/base/limits.hpp>

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>

#include <algorithm>
#include <array>
#include <stdexcept>
#include <utility>

namespace pgtally::server {

namespace beast = boost::beast;
namespace http = beast::http;

namespace {

constexpr std::size_t piece_bytes = 16U << 10;
constexpr unsigned char tls_alert = 0x15, tls_handshake = 0x16;  // RFC 8446, 5.1: the first byte of a record

std::string text_of(http_question const& what, std::string const& host, std::string const& token)
{
    std::string out = what.method + ' ' + what.target + " HTTP/1.1\r\n";
    auto const add = [&](std::string_view name, std::string_view value) {
        if (!value.empty()) out.append(name).append(": ").append(value).append("\r\n");
    };
    add("Host", host);
    add("User-Agent", "pgtally");
    add("Connection", "close");
    add("Accept", what.accept);
    add("Last-Event-ID", what.last_event_id);
    if (!token.empty()) add("Authorization", "Bearer " + token);
    if (!what.body.empty()) add("Content-Type", "application/json");
    if (!what.body.empty() || what.method == "POST") add("Content-Length", std::to_string(what.body.size()));
    return out + "\r\n" + what.body;
}

std::string no_answer(server_url const& at)
{
    std::string out{"the server closed the connection without an answer"};
    if (at.how == server_url::scheme::http) out += "; if it speaks TLS there, use https:// in --url";
    return out;
}

}  // namespace

struct http_exchange::answer {
    answer()
    {
        parser.body_limit(boost::none);
        parser.header_limit(limits{}.max_answer_header_bytes);
        parser.eager(false);
    }

    beast::flat_buffer buffer;
    http::response_parser<http::buffer_body> parser;
    std::array<char, piece_bytes> body{};
};

http_exchange::http_exchange(asio::any_io_executor executor, server_access access)
    : access_{std::move(access)}, connection_{std::move(executor), access_.url}, answer_{std::make_unique<answer>()}
{
}

http_exchange::~http_exchange() = default;

void http_exchange::fail(std::string const& why) const
{
    throw std::runtime_error{"asking " + to_string(access_.url) + " failed: " + why};
}

asio::awaitable<void> http_exchange::read(std::chrono::milliseconds at_most)
{
    auto& [buffer, parser, body] = *answer_;
    auto const bytes = co_await connection_.read(piece_bytes, at_most);
    if (!bytes.empty()) {
        auto const room = buffer.prepare(bytes.size());
        std::copy(bytes.begin(), bytes.end(), static_cast<char*>(room.data()));
        buffer.commit(bytes.size());
        co_return;
    }
    beast::error_code failure;
    if (!parser.is_header_done()) fail(no_answer(access_.url));
    parser.put_eof(failure);
    if (failure) fail("the connection was cut");
}

asio::awaitable<unsigned> http_exchange::ask(http_question what, std::string token, std::chrono::milliseconds at_most)
{
    auto const connecting = std::min<std::chrono::milliseconds>(at_most, limits{}.ask_connect_timeout);
    co_await connection_.open(access_.ca_file, connecting);
    auto text = text_of(what, host_field(access_.url), token);
    co_await connection_.write(std::move(text), at_most);
    auto& [buffer, parser, body] = *answer_;
    while (!parser.is_header_done()) {
        try {
            co_await read(at_most);
        } catch (connection_cut const&) {
            fail(no_answer(access_.url));
        }
        auto const first = *static_cast<unsigned char const*>(buffer.data().data());
        if (first == tls_alert || first == tls_handshake) fail("TLS is spoken there: use https:// in --url");
        beast::error_code failure;
        buffer.consume(parser.put(buffer.data(), failure));
        if (failure && failure != http::error::need_more) fail("the answer is not HTTP: " + failure.message());
    }
    parser.eager(true);
    co_return parser.get().result_int();
}

asio::awaitable<std::string_view> http_exchange::more(std::chrono::milliseconds at_most)
{
    auto& [buffer, parser, body] = *answer_;
    while (!parser.is_done()) {
        auto& into = parser.get().body();
        into.data = body.data();
        into.size = body.size();
        into.more = true;
        beast::error_code failure;
        buffer.consume(parser.put(buffer.data(), failure));
        bool const waits = failure == http::error::need_more || failure == http::error::need_buffer;
        if (failure && !waits) fail("the answer is not HTTP: " + failure.message());
        std::string_view const found{body.data(), body.size() - into.size};
        if (!found.empty()) co_return found;
        if (failure == http::error::need_more || buffer.size() == 0) {
            if (!parser.is_done()) co_await read(at_most);
        }
    }
    co_return std::string_view{};
}

}  // namespace pgtally::server
