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

/// An operation that lasts until it is read or written to its end: it has the connection for so
/// long. Destroyed before, it leaves the connection to recover. One step at a time, another one
/// throws busy; each has the connection's timeout for itself.
class stream;
using stream_ptr = std::shared_ptr<stream>;

asio::any_io_executor executor_of(stream const& of) noexcept;

asio::awaitable<stream_ptr> open_rows(std::shared_ptr<connection_core> core, std::string sql, params values);
/// A result of one row; at the end one without, and none after that.
asio::awaitable<std::optional<result_set>> next_row(stream_ptr of);

enum class direction { in, out };
asio::awaitable<stream_ptr> open_copy(std::shared_ptr<connection_core> core, std::string sql, direction which);
asio::awaitable<void> write_copy(stream_ptr to, std::string_view data);
/// How many rows were copied.
asio::awaitable<std::uint64_t> finish_copy(stream_ptr to);
asio::awaitable<void> abandon_copy(stream_ptr to, std::string reason);

/// At least one message; valid until the next call. Empty: the end.
asio::awaitable<std::string_view> read_copy(stream_ptr from);
/// Once it has come to its end.
std::uint64_t copied_rows(stream const& of) noexcept;

}  // namespace pgtally::db::detail
