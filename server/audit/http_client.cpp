#include <pgtally/server/audit/http_client.hpp>
#include <pgtally/server/base/net.hpp>

#include <boost/asio/this_coro.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>

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

std::optional<endpoint> parse_server_url(std::string_view text)
{
    auto const parsed = boost::urls::parse_uri(boost::core::string_view{text.data(), text.size()});
    if (!parsed || parsed->scheme() != "http" || parsed->has_userinfo() || parsed->host().empty()) return std::nullopt;
    bool const bare = parsed->encoded_path().empty() || parsed->encoded_path() == "/";
    if (!bare || parsed->has_query() || parsed->has_fragment()) return std::nullopt;
    endpoint out;
    out.host = parsed->host_type() == boost::urls::host_type::ipv6 ? parsed->host_ipv6_address().to_string()
                                                                   : std::string{parsed->host()};
    out.port = parsed->has_port() ? parsed->port_number() : std::uint16_t{80};
    if (out.port == 0) return std::nullopt;
    return out;
}

asio::awaitable<http_answer> ask_server(endpoint where, std::string method, std::string target,
                                        std::chrono::milliseconds at_most)
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

    http::request<http::empty_body> request;
    request.version(11);
    request.method_string(method);
    request.target(target);
    request.set(http::field::host, to_string(where));
    request.set(http::field::user_agent, "pgtally");
    request.set(http::field::connection, "close");
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
