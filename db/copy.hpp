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

/// COPY, the fastest way in and out: PostgreSQL manual, "COPY". Bytes pass as they are, in the format
/// that the statement names (text, csv, binary); copy_format.hpp makes rows of them.
///
/// Model: a copy is one statement that lasts. It has the connection until it is finished: other
/// operations fail with busy. Destroyed before, a copy_in is taken back (no row of it stays), a copy_out
/// is stopped, and the next operation waits until that is done (config::recovery_timeout).
///
/// Errors: error (server_error, connection_lost, timed_out, closed, busy). The connection's timeout is
/// for each call. One call at a time. After an error that ends the copy further calls fail with closed.
///
/// Memory: a chunk, whatever the size of the whole: who writes faster than the server reads waits.

/// `copy T from stdin`.
class copy_in {
public:
    copy_in() = default;  ///< empty: to be assigned to
    explicit copy_in(detail::stream_ptr to) noexcept : to_(std::move(to)) {}

    /// Some bytes, cut wherever you like; they must stay where they are until this is done. An error
    /// that the server finds in them is told by finish(): libpq does not look before.
    asio::awaitable<void> write(std::string_view data) { return detail::write_copy(to_, data); }

    /// The end of the data: gives the number of rows, once they are in.
    asio::awaitable<std::uint64_t> finish() { return detail::finish_copy(to_); }

    /// Takes it back: none of its rows stays, the server logs the reason.
    asio::awaitable<void> abandon(std::string reason) { return detail::abandon_copy(to_, std::move(reason)); }

    /// The same with a completion token (see async.hpp).
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
    copy_out() = default;  ///< empty: to be assigned to
    explicit copy_out(detail::stream_ptr from) noexcept : from_(std::move(from)) {}

    /// What has come, whole messages of the server's (in the text format: lines), some 64 KiB at most
    /// but for a longer one; valid until the next call. Empty: the end.
    asio::awaitable<std::string_view> read() { return detail::read_copy(from_); }

    /// The same with a completion token (see async.hpp).
    template <detail::token_for<std::string_view> Token>
    auto async_read(Token&& token)
    {
        return detail::start(detail::executor_of(*from_), read(), std::forward<Token>(token));
    }

    /// How many there were; 0 before the end.
    [[nodiscard]] std::uint64_t rows() const noexcept { return from_ ? detail::copied_rows(*from_) : 0; }

private:
    detail::stream_ptr from_{};
};

}  // namespace pgtally::db
