#pragma once

#include <pgtally/db/error.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/assert/source_location.hpp>
#include <boost/system/result.hpp>

#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

/// Errors as values, for callers that prefer them to exceptions.
namespace pgtally::db {

namespace asio = boost::asio;

/// The result of an operation, or its error. value() throws that error; error() returns a copy.
template <class T>
using outcome = boost::system::result<T, error>;

/// The customization point of boost::system::result: outcome::value() calls it to throw.
[[noreturn]] void throw_exception_from_error(error const& failure, boost::source_location const& where);

/// Awaits an operation and returns its outcome:
///
///     auto const added = co_await db::attempt(connection.query("insert into post (id) values ($1)", 7));
///     if (!added && added.error().state().is("23505")) ...
///
/// *Errors*: passes on every exception that is not a db::error. Asio throws its own system_error if a cancelled
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

/// For a completion handler of an async_x: the error of the operation, or nothing if it succeeded. A plain
/// system_error, which Asio throws for a cancelled operation, becomes an error with the same code.
///
/// *Errors*: rethrows every other exception (std::bad_alloc, for example).
[[nodiscard]] std::optional<error> error_of(std::exception_ptr thrown);

/// Like error_of(), but only the code; a code of 0 if the operation succeeded.
[[nodiscard]] error_code code_of(std::exception_ptr thrown);

}  // namespace pgtally::db
