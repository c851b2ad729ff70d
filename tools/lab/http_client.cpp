#include "http_client.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>

#include <chrono>
#include <utility>

namespace pgtally::lab {
namespace {

namespace http = boost::beast::http;
using namespace std::chrono_literals;

constexpr auto patience = 5s;
constexpr std::size_t max_body = 64 * 1024;

}  // namespace

http_client::http_client(asio::any_io_executor executor, http_address where)
    : where_(std::move(where)), stream_(std::move(executor))
{
}

asio::awaitable<void> http_client::connect()
{
    asio::ip::tcp::resolver resolver(stream_.get_executor());
    auto const found = co_await resolver.async_resolve(where_.host, where_.port, asio::use_awaitable);
    stream_.expires_after(patience);
    co_await stream_.async_connect(found, asio::use_awaitable);
    stream_.socket().set_option(asio::ip::tcp::no_delay(true));
}

asio::awaitable<http_answer> http_client::get(std::string target)
{
    http::request<http::empty_body> asked(http::verb::get, target, 11);
    asked.set(http::field::host, where_.host + ':' + where_.port);
    http::response_parser<http::string_body> got;
    got.body_limit(max_body);
    stream_.expires_after(patience);
    co_await http::async_write(stream_, asked, asio::use_awaitable);
    co_await http::async_read(stream_, buffer_, got, asio::use_awaitable);
    http_answer answer;
    answer.status = got.get().result_int();
    answer.body = std::move(got.get().body());
    co_return answer;
}

}  // namespace pgtally::lab
