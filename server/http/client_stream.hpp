#pragma once

// The bytes of one connection: TCP or a Unix socket, plain or encrypted.
//
// Model: `read` and `write` do what is possible at once, and never wait; `wait` and `when_readable` wait until the socket is
// ready for what they need. So a session that pushes holds no buffer while it is idle, and what the socket takes at once costs
// one system call and no turn of the loop. `read_some`, for those who wait for a request, waits and reads. A deadline is a
// time that the sessions compare with the clock when they look after their clients (`limits::stall_check`): it needs no
// timer.
//
// TLS: OpenSSL reads and writes the socket itself, without buffers between.
//
// Thread expectations: the loop's thread. One coroutine may wait to read while another one waits to write.

#include <pgtally/server/base/net.hpp>
#include <pgtally/server/http/fair_turns.hpp>
#include <pgtally/server/http/io_outcome.hpp>
#include <pgtally/server/http/peer_progress.hpp>
#include <pgtally/server/http/tls.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

namespace pgtally::server {

// Removes the first bytes.
void consume(std::span<asio::const_buffer> from, std::size_t size) noexcept;

class client_stream {
public:
    using clock = std::chrono::steady_clock;

    explicit client_stream(stream_socket socket) noexcept : socket_{std::move(socket)} {}

    // Reads or writes what is possible now, at least a byte unless something is needed first.
    io_outcome read(std::span<char> into) noexcept;
    io_outcome write(std::span<asio::const_buffer const> from);

    // Calls `then(bool)`, later, when a `read` may find something. If the last read left something, it lets the rest of the
    // loop run instead, so that no client keeps the loop for itself. `false`: the connection ends.
    template <class Then>
    void when_readable(Then then)
    {
        if (next_read_ == next_read::at_once || next_read_ == next_read::after_others)
            return asio::post(socket_.get_executor(), [this, then = std::move(then)] { then(is_open()); });
        auto const kind = next_read_ == next_read::when_writable ? stream_socket::wait_write : stream_socket::wait_read;
        socket_.async_wait(kind, [then = std::move(then)](boost::system::error_code failure) { then(!failure); });
    }

    // Waits for what a write needs. Returns false if the connection ends.
    asio::awaitable<bool> wait(io_need what);

    // Waits as `when_readable` does, and reads at least a byte. Returns 0 if the connection ends.
    asio::awaitable<std::size_t> read_some(std::span<char> into);

    // From now on the bytes are encrypted. `received` has those that came already. `steps` lets one handshake compute at a
    // time. If it fails, the connection must close.
    asio::awaitable<tls_outcome> encrypt(tls_session with, std::string_view received, fair_turns& steps);

    void expires_after(clock::duration time) { deadline_ = clock::now() + time; }
    void expires_never() noexcept { deadline_ = clock::time_point::max(); }

    // Closes the connection if its deadline has passed.
    void check_deadline(clock::time_point now) noexcept
    {
        if (now >= deadline_) close();
    }

    // Goes on without encryption, to answer a client that does not encrypt either.
    void give_up_encryption() noexcept { tls_.reset(); }

    // Ends what waits.
    void cancel() noexcept;
    // Says that no more bytes come, and keeps reading.
    void shut_down() noexcept;
    void close() noexcept;

    // What is known about the other end. To be called every `limits::stall_check`: for a Unix socket, of which the kernel
    // says less, it compares with the last call.
    peer_progress progress(clock::time_point now) noexcept;

    bool is_open() const noexcept { return socket_.is_open(); }
    stream_socket& socket() noexcept { return socket_; }
    asio::io_context::executor_type get_executor() noexcept { return socket_.get_executor(); }

private:
    io_outcome read_plain(std::span<char> into) noexcept;
    io_outcome note_read(io_outcome got, std::size_t asked) noexcept;
    io_outcome write_plain(std::span<asio::const_buffer const> from) noexcept;
    io_outcome write_encrypted(std::span<asio::const_buffer const> from);

    stream_socket socket_;
    tls_session tls_;
    clock::time_point deadline_ = clock::time_point::max();
    enum class next_read { at_once, after_others, when_readable, when_writable } next_read_ = next_read::at_once;

    // Of a Unix socket
    std::uint64_t written_ = 0;
    std::uint32_t reads_ = 0, reads_seen_ = 0;  // now, and at the last call of `progress`
    clock::time_point heard_at_{};              // when the last call found that bytes had come
};

}  // namespace pgtally::server
