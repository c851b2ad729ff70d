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

/// The rows of a statement one by one, as they arrive: however many there are, one is in memory.
///
///     auto posts = co_await conn.stream_as<post>("select id, title from post");
///     for (;;) {
///         auto const next = co_await posts.next();
///         if (!next) break;
///         ...
///     }
///
/// Has the connection until the end of the rows: other operations fail with busy. Destroyed before,
/// it asks the server to stop, and the next operation waits until it has (config::recovery_timeout).
///
/// The statement runs while its rows are read: a reader that pauses keeps it running, with its
/// locks and its snapshot. An error may come after any number of rows.
template <class Row>
class row_stream {
public:
    row_stream() = default;  ///< empty: to be assigned to
    explicit row_stream(detail::stream_ptr of) noexcept : of_(std::move(of)) {}

    /// The next row; none at the end. What it refers to (a std::string_view) is valid until the next
    /// call. The connection's timeout is for each call. Throws error: server_error, bad_result (the
    /// columns do not fit Row, or a value does not), connection_lost, timed_out, closed, busy (one
    /// call at a time).
    asio::awaitable<std::optional<Row>> next() { return take(of_, row_); }

    /// The same with a completion token (see async.hpp).
    template <detail::token_for<std::optional<Row>> Token>
    auto async_next(Token&& token)
    {
        return detail::start(detail::executor_of(*of_), next(), std::forward<Token>(token));
    }

private:
    // What row views look into, shared with the call under way: the stream may end before it.
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
