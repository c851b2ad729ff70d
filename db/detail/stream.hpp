#pragma once

#include <pgtally/db/params.hpp>
#include <pgtally/db/result.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace pgtally::db::detail {

namespace asio = boost::asio;

class connection_core;

/// An operation that lasts until its rows or bytes are read or written to the end. It occupies the connection
/// until then. One step at a time; a second one throws busy. Each step has the connection's timeout.
///
/// *Lifetime*: if the stream is destroyed early, the connection recovers.
class stream;
using stream_ptr = std::shared_ptr<stream>;

asio::any_io_executor executor_of(stream const& of) noexcept;

asio::awaitable<stream_ptr> open_rows(std::shared_ptr<connection_core> core, std::string sql, params values);
/// Returns a result of one row; at the end one without rows; then nothing.
asio::awaitable<std::optional<result_set>> next_row(stream_ptr of);

enum class direction { in, out };
asio::awaitable<stream_ptr> open_copy(std::shared_ptr<connection_core> core, std::string sql, direction which);
asio::awaitable<void> write_copy(stream_ptr to, std::string_view data);
/// Returns the number of rows that were copied.
asio::awaitable<std::uint64_t> finish_copy(stream_ptr to);
asio::awaitable<void> abandon_copy(stream_ptr to, std::string reason);

/// Returns at least one message, valid until the next call; empty at the end.
asio::awaitable<std::string_view> read_copy(stream_ptr from);
/// The number of rows, known at the end.
std::uint64_t copied_rows(stream const& of) noexcept;

}  // namespace pgtally::db::detail
