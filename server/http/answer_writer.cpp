#include <pgtally/server/base/log.hpp>
#include <pgtally/server/http/answer_writer.hpp>
#include <pgtally/server/http/date.hpp>

#include <fmt/format.h>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <exception>
#include <string>
#include <utility>

namespace pgtally::server {

namespace {

constexpr std::size_t small_body_bytes = 4'096;

}  // namespace

asio::awaitable<bool> answer_writer::write(response const& answer, head_options how, bool with_body)
{
    how.retry_after = bounds_.retry_after;
    how.date = date_now();
    auto head = encode_head(answer, how);
    auto body = with_body ? std::string_view{answer.body} : std::string_view{};
    // The copy of a small body costs less than what the kernel does for a second piece.
    if (body.size() <= small_body_bytes) head.append(std::exchange(body, {}));
    std::array<asio::const_buffer, 2> rest{asio::buffer(head), asio::buffer(body.data(), body.size())};
    // What the socket takes at once, which is nearly any answer, needs no coroutine of its own.
    bool written = write_now(rest) == io_need::nothing;
    if (!written) written = co_await write_all(rest);
    if (!written || !with_body || !answer.streamed) co_return written;

    source_ = answer.streamed.get();
    bool whole = false;
    try {
        whole = co_await write_body(*answer.streamed, framing_of(answer, how.version));
    } catch (std::exception const& e) {
        log(log_level::error, "{}: the body of an answer ends early: {}", answer.route, e.what());
    }
    source_ = nullptr;
    co_return whole;
}

asio::awaitable<bool> answer_writer::write(std::string_view text)
{
    std::array<asio::const_buffer, 1> rest{asio::buffer(text.data(), text.size())};
    co_return co_await write_all(rest);
}

asio::awaitable<bool> answer_writer::write_body(body_source& from, framing how)
{
    auto const size = from.size();
    std::uint64_t produced = 0;
    for (;;) {
        stream_.expires_never();  // no deadline while the source produces a piece
        auto const piece = co_await from.next();
        if (piece.empty()) break;
        produced += piece.size();
        if (size && produced > *size) co_return false;
        auto const opening = how == framing::chunked ? fmt::format("{:x}\r\n", piece.size()) : std::string{};
        std::string_view const closing = how == framing::chunked ? "\r\n" : "";
        std::array<asio::const_buffer, 3> rest{asio::buffer(opening), asio::buffer(piece.data(), piece.size()),
                                               asio::buffer(closing.data(), closing.size())};
        bool const written = co_await write_all(rest);
        if (!written) co_return false;
        // A client that takes each piece at once must not keep the loop for itself.
        co_await asio::post(stream_.get_executor(), asio::use_awaitable);
    }
    if (size && produced != *size) co_return false;
    if (how != framing::chunked) co_return true;
    co_return co_await write("0\r\n\r\n");
}

// The client must take some bytes within each deadline: after what the socket took at once, a new one begins.
asio::awaitable<bool> answer_writer::write_all(std::span<asio::const_buffer> rest)
{
    for (;;) {
        auto const need = write_now(rest);
        if (need == io_need::nothing) co_return true;
        stream_.expires_after(bounds_.answer_timeout);
        bool const ready = co_await stream_.wait(need);
        if (!ready) co_return false;
    }
}

// Writes what the socket takes. Returns what the rest of it needs; `nothing`: all is written.
io_need answer_writer::write_now(std::span<asio::const_buffer> rest)
{
    while (asio::buffer_size(rest) > 0) {
        auto const put = stream_.write(rest);
        counted_.bytes_sent += put.size;
        written_ += put.size;
        consume(rest, put.size);
        if (put.size == 0) return put.need;
    }
    return io_need::nothing;
}

}  // namespace pgtally::server
