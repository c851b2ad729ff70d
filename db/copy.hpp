#pragma once

#include <pgtally/db/async.hpp>
#include <pgtally/db/detail/stream.hpp>
#include <pgtally/db/error.hpp>

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace pgtally::db {

namespace asio = boost::asio;

/// COPY, the fastest way to write and read many rows (PostgreSQL manual, "COPY"; libpq, "Functions Associated
/// with the COPY Command"). Bytes are passed unchanged, in the format that the statement names (text, csv,
/// binary). copy_format.hpp and copy_text.hpp convert them to and from rows.
///
/// Model: a copy is one long operation. It occupies the connection until it is finished; other operations fail
/// with busy. Memory: one chunk, whatever the total size. If the server reads more slowly than the caller writes,
/// write() waits.
///
/// *Lifetime*: if a copy_in is destroyed early, it is undone and none of its rows stays. If a copy_out is
/// destroyed early, it is stopped. In both cases the next operation of the connection waits for the end
/// (config::recovery_timeout).
///
/// *Threads*: as connection. One call at a time.
///
/// *Errors*: server_error, connection_lost, timed_out, closed, busy. The connection's timeout applies to each
/// call. After an error that ends the copy, further calls fail with closed.

/// `copy T from stdin`.
class copy_in {
public:
    copy_in() = default;  ///< empty: only assignment is allowed
    explicit copy_in(detail::stream_ptr to) noexcept : to_(std::move(to)) {}

    /// Sends bytes, cut anywhere. finish() throws the errors that the server finds in them, because libpq does
    /// not look for errors before the end of the data.
    ///
    /// *Lifetime*: `data` must stay valid until the operation completes.
    asio::awaitable<void> write(std::string_view data) { return detail::write_copy(to_, data); }

    /// Ends the data and returns the number of rows that were copied.
    asio::awaitable<std::uint64_t> finish() { return detail::finish_copy(to_); }

    /// Undoes the copy: none of its rows stays, and the server logs the reason.
    asio::awaitable<void> abandon(std::string reason) { return detail::abandon_copy(to_, std::move(reason)); }

    /// The operations with a completion token (async.hpp).
    template <detail::token_for<void> Token>
    auto async_write(std::string_view data, Token&& token)
    {
        return detail::start(detail::executor_of(*to_), write(data), std::forward<Token>(token));
    }
    template <detail::token_for<std::uint64_t> Token>
    auto async_finish(Token&& token)
    {
        return detail::start(detail::executor_of(*to_), finish(), std::forward<Token>(token));
    }
    template <detail::token_for<void> Token>
    auto async_abandon(std::string reason, Token&& token)
    {
        return detail::start(detail::executor_of(*to_), abandon(std::move(reason)), std::forward<Token>(token));
    }

private:
    detail::stream_ptr to_{};
};

/// `copy T to stdout`, `copy (select ...) to stdout`.
class copy_out {
public:
    copy_out() = default;  ///< empty: only assignment is allowed
    explicit copy_out(detail::stream_ptr from) noexcept : from_(std::move(from)) {}

    /// Returns the next bytes; an empty view is the end. A chunk holds whole messages of the server (in the text
    /// format: lines), 64 KiB at most, or one message if that is longer. The view is valid until the next call.
    asio::awaitable<std::string_view> read() { return detail::read_copy(from_); }

    /// The operation with a completion token (async.hpp).
    template <detail::token_for<std::string_view> Token>
    auto async_read(Token&& token)
    {
        return detail::start(detail::executor_of(*from_), read(), std::forward<Token>(token));
    }

    /// The number of rows that were copied; 0 before the end.
    [[nodiscard]] std::uint64_t rows() const noexcept { return from_ ? detail::copied_rows(*from_) : 0; }

private:
    detail::stream_ptr from_{};
};

}  // namespace pgtally::db
