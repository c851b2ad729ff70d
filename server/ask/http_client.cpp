#include <pgtally/server/ask/http_client.hpp>
#include <pgtally/server/base/net.hpp>

#include <boost/asio/this_coro.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>

#include <stdexcept>
#include <utility>

namespace pgtally::server {

namespace beast = boost::beast;
namespace http = beast::http;

namespace {

constexpr std::uint64_t max_answer_bytes = 16U << 20;
constexpr std::chrono::seconds connect_timeout{10};

[[noreturn]] void fail(endpoint const& where, std::string const& what, beast::error_code why)
{
    throw std::runtime_error{what + " http://" + to_string(where) +
                             "/ failed: " + (why == beast::error::timeout ? "no answer in time" : why.message())};
}

}  // namespace

asio::awaitable<http_answer> ask_server(endpoint where, std::string method, std::string target,
                                        std::chrono::milliseconds at_most, std::string body)
{
    auto const executor = co_await asio::this_coro::executor;
    asio::ip::tcp::resolver resolver{executor};
    auto const port = std::to_string(where.port);
    auto const [unknown, addresses] = co_await resolver.async_resolve(where.host, port, as_values);
    if (unknown) fail(where, "connecting to", unknown);
    beast::tcp_stream stream{executor};
    stream.expires_after(connect_timeout);
    auto const [refused, address] = co_await stream.async_connect(addresses, as_values);
    if (refused) fail(where, "connecting to", refused);

    http::request<http::string_body> request;
    request.version(11);
    request.method_string(method);
    request.target(target);
    request.set(http::field::host, to_string(where));
    request.set(http::field::user_agent, "pgtally");
    request.set(http::field::connection, "close");
    if (!body.empty()) request.set(http::field::content_type, "application/json");
    request.body() = std::move(body);
    request.prepare_payload();
    stream.expires_after(at_most);
    auto const [unsent, sent] = co_await http::async_write(stream, request, as_values);
    if (unsent) fail(where, "asking", unsent);

    beast::flat_buffer buffer;
    http::response_parser<http::string_body> parser;
    parser.body_limit(max_answer_bytes);
    auto const [unread, read] = co_await http::async_read(stream, buffer, parser, as_values);
    if (unread) fail(where, "asking", unread);
    http_answer out;
    out.status = parser.get().result_int();
    out.body = std::move(parser.get().body());
    co_return out;
}

}  // namespace pgtally::server
