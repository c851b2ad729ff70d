#pragma once

#include <pgtally/server/base/server_url.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

namespace pgtally::server {

namespace asio = boost::asio;

// The peer ended a connection in the middle.
class connection_cut : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

// A connection to a server, by TCP, TLS or a Unix socket: one stream of bytes.
//
// TLS is 1.2 or newer. The server's certificate must be signed by an authority that the system trusts (OpenSSL's default
// places, SSL_CERT_FILE, SSL_CERT_DIR) or by one of `ca_file`, must be valid now, and must be for the host of the URL.
//
// Lifetime: outlives its coroutines. Threads: one.
// Errors: each call throws std::runtime_error with the URL, what failed, and what to do if that is known; `read` throws
// connection_cut if the peer is why.
class connection {
public:
    connection(asio::any_io_executor executor, server_url where);
    ~connection();
    connection(connection const&) = delete;
    connection& operator=(connection const&) = delete;

    // Once, before all else. `at_most` is for connecting to one address, and for the TLS handshake.
    asio::awaitable<void> open(std::string ca_file, std::chrono::milliseconds at_most);

    asio::awaitable<void> write(std::string bytes, std::chrono::milliseconds at_most);

    // At most `most` bytes, as soon as there are some; nothing at the end. They are valid until the next call.
    asio::awaitable<std::string_view> read(std::size_t most, std::chrono::milliseconds at_most);

private:
    asio::awaitable<void> connect(std::chrono::milliseconds at_most);
    asio::awaitable<void> secure(std::string ca_file, std::chrono::milliseconds at_most);
    [[noreturn]] void fail(std::string_view what, std::string const& why) const;

    struct streams;

    server_url where_;
    std::unique_ptr<streams> streams_;
    std::string bytes_;
};

}  // namespace pgtally::server
