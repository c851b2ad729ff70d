#include <pgtally/server/ask/event_source.hpp>
#include <pgtally/server/base/net.hpp>

#include <boost/asio/this_coro.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>

#include <array>
#include <utility>

namespace pgtally::server {

namespace beast = boost::beast;
namespace http = beast::http;

namespace {

constexpr std::chrono::seconds connect_timeout{10};
constexpr std::chrono::seconds silence_timeout{45};
constexpr std::uint64_t max_refusal_bytes = 64 << 10;

stream_end failed(endpoint const& where, std::string const& what, beast::error_code why)
{
    stream_end out;
    out.why = what + " http://" + to_string(where) +
              "/ failed: " + (why == beast::error::timeout ? "no answer in time" : why.message());
    return out;
}

http::request<http::empty_body> request_for(endpoint const& where, std::string const& target, std::string const& id)
{
    http::request<http::empty_body> out;
    out.version(11);
    out.method(http::verb::get);
    out.target(target);
    out.set(http::field::host, to_string(where));
    out.set(http::field::user_agent, "pgtally");
    out.set(http::field::accept, "text/event-stream");
    if (!id.empty()) out.set("Last-Event-ID", id);
    return out;
}

using body_parser = http::response_parser<http::buffer_body>;

// The body's next bytes; empty at its end.
asio::awaitable<std::pair<beast::error_code, std::string_view>> read_some(beast::tcp_stream& stream,
                                                                          beast::flat_buffer& buffer,
                                                                          body_parser& parser,
                                                                          std::array<char, 16'384>& into)
{
    while (!parser.is_done()) {
        auto& body = parser.get().body();
        body.data = into.data();
        body.size = into.size();
        body.more = true;
        stream.expires_after(silence_timeout);
        auto const [failure, read] = co_await http::async_read_some(stream, buffer, parser, as_values);
        if (failure && failure != http::error::need_buffer) co_return std::pair{failure, std::string_view{}};
        std::string_view const found{into.data(), into.size() - parser.get().body().size};
        if (!found.empty()) co_return std::pair{beast::error_code{}, found};
    }
    co_return std::pair{beast::error_code{}, std::string_view{}};
}

}  // namespace

asio::awaitable<stream_end> follow_events(endpoint where, std::string target, event_reader& reader,
                                          std::function<bool(sse_event const&)> take)
{
    reader.start_over();
    auto const executor = co_await asio::this_coro::executor;
    asio::ip::tcp::resolver resolver{executor};
    auto const port = std::to_string(where.port);
    auto const [unknown, addresses] = co_await resolver.async_resolve(where.host, port, as_values);
    if (unknown) co_return failed(where, "connecting to", unknown);
    beast::tcp_stream stream{executor};
    stream.expires_after(connect_timeout);
    auto const [refused, address] = co_await stream.async_connect(addresses, as_values);
    if (refused) co_return failed(where, "connecting to", refused);
    auto const request = request_for(where, target, reader.last_id());
    auto const [unsent, sent] = co_await http::async_write(stream, request, as_values);
    if (unsent) co_return failed(where, "asking", unsent);

    beast::flat_buffer buffer;
    body_parser parser;
    parser.body_limit(boost::none);
    auto const [unread, read] = co_await http::async_read_header(stream, buffer, parser, as_values);
    if (unread) co_return failed(where, "asking", unread);
    stream_end out;
    out.answer.status = parser.get().result_int();
    std::array<char, 16'384> bytes{};
    for (;;) {
        auto const [failure, found] = co_await read_some(stream, buffer, parser, bytes);
        if (failure) co_return failed(where, "reading from", failure);
        if (found.empty()) co_return out;
        if (out.answer.status != 200) {
            if (out.answer.body.size() < max_refusal_bytes) out.answer.body += found;
            continue;
        }
        if (!reader.add(found)) {
            out.why = "an event of http://" + to_string(where) + "/ is too large";
            co_return out;
        }
        while (auto const event = reader.next()) {
            if (!take(*event)) co_return out;
        }
    }
}

}  // namespace pgtally::server
