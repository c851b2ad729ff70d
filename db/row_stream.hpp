#pragma once

#include <pgtally/db/async.hpp>
#include <pgtally/db/detail/stream.hpp>
#include <pgtally/db/row.hpp>

#include <boost/asio/awaitable.hpp>

#include <memory>
#include <optional>
#include <utility>

namespace pgtally::db {

namespace asio = boost::asio;

/// The rows of a statement one by one, as they arrive; one row is in memory at a time (libpq, "Retrieving Query
/// Results Row-by-Row").
///
///     auto posts = co_await conn.stream_as<post>("select id, title from post");
///     for (;;) {
///         auto const next = co_await posts.next();
///         if (!next) break;
///         ...
///     }
///
/// The stream occupies the connection until the end of its rows; other operations fail with busy. The statement
/// runs while its rows are read: a reader that pauses keeps it running, with its locks and its snapshot.
///
/// *Lifetime*: if the stream is destroyed early, it asks the server to stop, and the next operation waits for
/// that (config::recovery_timeout).
///
/// *Threads*: as connection. One call at a time.
///
/// *Errors*: an error may follow any number of rows.
template <class Row>
class row_stream {
public:
    row_stream() = default;  ///< empty: only assignment is allowed
    explicit row_stream(detail::stream_ptr of) noexcept : of_(std::move(of)) {}

    /// Returns the next row; nothing at the end. The connection's timeout applies to each call.
    ///
    /// *Lifetime*: views in the row (std::string_view) are valid until the next call.
    ///
    /// *Errors*: server_error, bad_result (the columns or a value do not match Row), connection_lost, timed_out,
    /// closed, busy.
    asio::awaitable<std::optional<Row>> next() { return take(of_, row_); }

    /// The operation with a completion token (async.hpp).
    template <detail::token_for<std::optional<Row>> Token>
    auto async_next(Token&& token)
    {
        return detail::start(detail::executor_of(*of_), next(), std::forward<Token>(token));
    }

private:
    // The result that the row's views point into. The call in progress shares it, because the stream may be
    // destroyed first.
    struct current {
        std::optional<row_decoder<Row>> decode{};
        result_set result{};
    };

    static asio::awaitable<std::optional<Row>> take(detail::stream_ptr of, std::shared_ptr<current> into)
    {
        auto result = co_await detail::next_row(std::move(of));
        if (!result) co_return std::nullopt;
        into->result = std::move(*result);
        if (!into->decode) into->decode.emplace(into->result);
        if (into->result.empty()) co_return std::nullopt;
        co_return (*into->decode)(into->result, 0);
    }

    detail::stream_ptr of_{};
    std::shared_ptr<current> row_ = std::make_shared<current>();
};

}  // namespace pgtally::db
