#include <pgtally/server/ask/connection.hpp>
#include <pgtally/server/ask/tls_client.hpp>
#include <pgtally/server/base/net.hpp>

#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/error.hpp>

#include <optional>
#include <utility>
#include <vector>

namespace pgtally::server {

namespace beast = boost::beast;

namespace {

using socket_stream = beast::basic_stream<stream_protocol>;
using tls_stream = asio::ssl::stream<socket_stream&>;

std::string text_of(beast::error_code why)
{
    return why == beast::error::timeout ? "no answer in time" : why.message();
}

}  // namespace

struct connection::streams {
    explicit streams(asio::any_io_executor executor) : plain{std::move(executor)} {}

    socket_stream plain;
    std::optional<tls_client> trust;
    std::optional<tls_stream> tls;  // over `plain`
};

connection::connection(asio::any_io_executor executor, server_url where)
    : where_{std::move(where)}, streams_{std::make_unique<streams>(std::move(executor))}
{
}

connection::~connection() = default;

void connection::fail(std::string_view what, std::string const& why) const
{
    throw std::runtime_error{std::string{what} + ' ' + to_string(where_) + " failed: " + why};
}

asio::awaitable<void> connection::open(std::string ca_file, std::chrono::milliseconds at_most)
{
    co_await connect(at_most);
    if (where_.how == server_url::scheme::https) co_await secure(std::move(ca_file), at_most);
}

asio::awaitable<void> connection::connect(std::chrono::milliseconds at_most)
{
    auto& stream = streams_->plain;
    std::vector<stream_protocol::endpoint> addresses;
    if (where_.how == server_url::scheme::unix_socket) {
        addresses.emplace_back(asio::local::stream_protocol::endpoint{where_.path});
    } else {
        tcp::resolver resolver{stream.get_executor()};
        auto const port = std::to_string(where_.where.port);
        auto const [unknown, found] = co_await resolver.async_resolve(where_.where.host, port, as_values);
        if (unknown) fail("connecting to", unknown.message());
        for (auto const& each : found) addresses.emplace_back(each.endpoint());
    }
    beast::error_code last = asio::error::host_not_found;
    for (auto const& address : addresses) {
        stream.close();  // the socket of the address before may be of another family
        stream.expires_after(at_most);
        auto const [refused] = co_await stream.async_connect(address, as_values);
        if (!refused) co_return;
        last = refused;
    }
    fail("connecting to", text_of(last));
}

asio::awaitable<void> connection::secure(std::string ca_file, std::chrono::milliseconds at_most)
{
    auto& trust = streams_->trust.emplace(ca_file);
    auto& stream = streams_->tls.emplace(streams_->plain, trust.context());
    trust.expect(stream.native_handle(), where_.where.host);
    streams_->plain.expires_after(at_most);
    auto const [failure] = co_await stream.async_handshake(asio::ssl::stream_base::client, as_values);
    if (!failure) co_return;
    fail("connecting to", failure == beast::error::timeout ? text_of(failure) : trust.explain(failure));
}

asio::awaitable<void> connection::write(std::string bytes, std::chrono::milliseconds at_most)
{
    auto const all = asio::buffer(bytes);
    streams_->plain.expires_after(at_most);
    beast::error_code failure;
    if (streams_->tls) {
        auto const [unsent, sent] = co_await asio::async_write(*streams_->tls, all, as_values);
        failure = unsent;
    } else {
        auto const [unsent, sent] = co_await asio::async_write(streams_->plain, all, as_values);
        failure = unsent;
    }
    if (failure) fail("asking", text_of(failure));
}

asio::awaitable<std::string_view> connection::read(std::size_t most, std::chrono::milliseconds at_most)
{
    bytes_.resize(most);
    auto const room = asio::buffer(bytes_);
    streams_->plain.expires_after(at_most);
    beast::error_code failure;
    std::size_t read = 0;
    if (streams_->tls) {
        auto const [unread, count] = co_await streams_->tls->async_read_some(room, as_values);
        failure = unread;
        read = count;
    } else {
        auto const [unread, count] = co_await streams_->plain.async_read_some(room, as_values);
        failure = unread;
        read = count;
    }
    if (failure == asio::error::eof) co_return std::string_view{};
    // RFC 8446, 6.1: an end of TCP that is no end of TLS can be made by whoever is in between.
    if (failure == asio::ssl::error::stream_truncated || failure == asio::error::connection_reset)
        throw connection_cut{"reading from " + to_string(where_) + " failed: the connection was cut"};
    if (failure) fail("reading from", text_of(failure));
    co_return std::string_view{bytes_}.substr(0, read);
}

}  // namespace pgtally::server
