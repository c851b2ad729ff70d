#pragma once

#include <pgtally/db/error.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/assert/source_location.hpp>
#include <boost/system/result.hpp>

#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

/// Errors as values, for who prefers them to exceptions.
namespace pgtally::db {

namespace asio = boost::asio;

/// What an operation gave, or the error that it failed by. value() throws that error itself; error()
/// gives a copy.
template <class T>
using outcome = boost::system::result<T, error>;

/// Where outcome::value() finds it.
[[noreturn]] void throw_exception_from_error(error const& failure, boost::source_location const& where);

/// Waits for an operation and gives its outcome:
///
///     auto const added = co_await db::attempt(connection.query("insert into post (id) values ($1)", 7));
///     if (!added && added.error().state().is("23505")) ...
///
/// Throws what is not a db::error as it is; among that is Asio's own system_error where a cancelled
/// coroutine awaits again.
template <class T>
asio::awaitable<outcome<T>> attempt(asio::awaitable<T> operation)
{
    std::optional<error> failure;
    try {
        if constexpr (std::is_void_v<T>) {
            co_await std::move(operation);
            co_return outcome<T>();
        } else {
            auto value = co_await std::move(operation);
            co_return outcome<T>(std::move(value));
        }
    } catch (error const& caught) {
        failure = caught;
    }
    co_return outcome<T>(*failure);
}

/// For a completion handler of an async_x: why the operation failed, empty when it did not. A plain
/// system_error, which Asio throws for a cancelled operation, becomes an error of the same code; what
/// is neither is thrown (no memory, say).
[[nodiscard]] std::optional<error> error_of(std::exception_ptr thrown);

/// The same as a code alone; false when nothing failed.
[[nodiscard]] error_code code_of(std::exception_ptr thrown);

}  // namespace pgtally::db
