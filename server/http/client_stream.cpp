#include <pgtally/server/http/client_stream.hpp>

#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <array>
#include <cerrno>

#include <sys/socket.h>
#include <sys/uio.h>

namespace pgtally::server {

namespace {

io_need need_after(int error, io_need when_full) noexcept
{
    return error == EAGAIN || error == EWOULDBLOCK || error == EINTR ? when_full : io_need::never;
}

}  // namespace

void consume(std::span<asio::const_buffer> from, std::size_t size) noexcept
{
    for (auto& each : from) {
        auto const of_this = std::min(size, each.size());
        each += of_this;
        size -= of_this;
    }
}

io_outcome client_stream::read(std::span<char> into) noexcept
{
    return note_read(tls_ ? tls_read(*tls_, into) : read_plain(into), into.size());
}

// Decides what the next read waits for.
io_outcome client_stream::note_read(io_outcome got, std::size_t asked) noexcept
{
    if (got.need == io_need::writable) next_read_ = next_read::when_writable;
    // After a short read nothing is left, as a rule: waiting costs less than asking. TLS may have read more than it gave.
    else if (got.size == 0 || (!tls_ && got.size < asked)) next_read_ = next_read::when_readable;
    else next_read_ = next_read::after_others;
    reads_ += got.size > 0;
    return got;
}

io_outcome client_stream::read_plain(std::span<char> into) noexcept
{
    auto const size = ::recv(socket_.native_handle(), into.data(), into.size(), MSG_DONTWAIT);
    if (size < 0) return {0, need_after(errno, io_need::readable)};
    return {static_cast<std::size_t>(size), size == 0 ? io_need::never : io_need::nothing};
}

io_outcome client_stream::write(std::span<asio::const_buffer const> from)
{
    return tls_ ? write_encrypted(from) : write_plain(from);
}

io_outcome client_stream::write_plain(std::span<asio::const_buffer const> from) noexcept
{
    constexpr int how = MSG_DONTWAIT | MSG_NOSIGNAL;
    std::array<iovec, 8> parts{};
    std::size_t count = 0;
    for (auto const& each : from) {
        if (each.size() == 0) continue;
        parts[count++] = {const_cast<void*>(each.data()), each.size()};
        if (count == parts.size()) break;
    }
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = count;
    // Most messages are one piece, for which the plainer call is faster.
    auto const handle = socket_.native_handle();
    auto const size =
        count == 1 ? ::send(handle, parts[0].iov_base, parts[0].iov_len, how) : ::sendmsg(handle, &message, how);
    if (size < 0) return {0, need_after(errno, io_need::writable)};
    written_ += static_cast<std::uint64_t>(size);
    return {static_cast<std::size_t>(size)};
}

// A record has at most 16 KiB. One that must be tried again has the same bytes: they are the first of what is left.
io_outcome client_stream::write_encrypted(std::span<asio::const_buffer const> from)
{
    constexpr std::size_t record = 16'384;
    auto whole = std::find_if(from.begin(), from.end(), [](auto const& each) { return each.size() > 0; });
    if (whole == from.end()) return {};
    if (whole->size() >= record || std::next(whole) == from.end())
        return tls_write(*tls_, {static_cast<char const*>(whole->data()), std::min(record, whole->size())});
    static thread_local std::array<char, record> joined;
    std::size_t size = 0;
    for (; size < record && whole != from.end(); ++whole)
        size += asio::buffer_copy(asio::buffer(joined) + size, *whole);
    return tls_write(*tls_, {joined.data(), size});
}

asio::awaitable<bool> client_stream::wait(io_need what)
{
    if (what == io_need::never || !socket_.is_open()) co_return false;
    auto const kind = what == io_need::writable ? stream_socket::wait_write : stream_socket::wait_read;
    auto const [failure] = co_await socket_.async_wait(kind, as_values);
    co_return !failure;
}

asio::awaitable<std::size_t> client_stream::read_some(std::span<char> into)
{
    for (;;) {
        if (next_read_ == next_read::when_readable && !tls_) {
            // One operation that waits and reads: a wait alone makes Asio register the socket anew each time.
            auto const [failure, size] =
                co_await socket_.async_receive(asio::buffer(into.data(), into.size()), as_values);
            if (failure || !is_open()) co_return 0;
            co_return note_read({size, io_need::nothing}, into.size()).size;
        }
        if (next_read_ == next_read::after_others) {
            co_await asio::post(socket_.get_executor(), asio::use_awaitable);
        } else if (next_read_ != next_read::at_once) {
            bool const ready =
                co_await wait(next_read_ == next_read::when_writable ? io_need::writable : io_need::readable);
            if (!ready) co_return 0;
        }
        if (!is_open()) co_return 0;
        auto const got = read(into);
        if (got.size > 0 || got.need == io_need::never) co_return got.size;
    }
}

asio::awaitable<tls_outcome> client_stream::encrypt(tls_session with, std::string_view received, fair_turns& steps)
{
    // OpenSSL reads and writes as the socket does, which Asio leaves blocking.
    boost::system::error_code failure;
    socket_.native_non_blocking(true, failure);
    tls_ = std::move(with);
    tls_begin(*tls_, socket_.native_handle(), received);
    for (;;) {
        co_await steps.take();
        auto const step = tls_handshake(*tls_);
        steps.pass_on();
        if (step.need == io_need::nothing || step.need == io_need::never) co_return step;
        bool const ready = co_await wait(step.need);
        if (ready) continue;
        tls_outcome gone{io_need::never, tls_fault::gone};
        co_return gone;
    }
}

void client_stream::cancel() noexcept
{
    boost::system::error_code ignored;
    socket_.cancel(ignored);
}

void client_stream::shut_down() noexcept
{
    if (tls_) tls_end(*tls_);
    boost::system::error_code ignored;
    socket_.shutdown(stream_socket::shutdown_send, ignored);
}

void client_stream::close() noexcept
{
    if (tls_ && socket_.is_open()) tls_end(*tls_);
    boost::system::error_code ignored;
    socket_.close(ignored);
}

peer_progress client_stream::progress(clock::time_point now) noexcept
{
    if (auto const told = tcp_progress_of(socket_.native_handle())) return *told;
    if (std::exchange(reads_seen_, reads_) != reads_ || heard_at_ == clock::time_point{}) heard_at_ = now;
    auto out = unix_progress_of(socket_.native_handle(), written_);
    out.silent = std::chrono::duration_cast<std::chrono::milliseconds>(now - heard_at_);
    return out;
}

}  // namespace pgtally::server
