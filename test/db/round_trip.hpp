#pragma once

#include <pgtally/test/db/with_connection.hpp>

#include <optional>
#include <string>
#include <tuple>
#include <vector>

namespace pgtally::test {

/// A parameter that is returned as a column of the same type, and as the text that PostgreSQL prints.
template <class T>
asio::awaitable<void> check_round_trip(db::connection& conn, std::string type, T value, std::string printed)
{
    auto const sql = "select $1::" + type + ", $1::" + type + "::text";
    auto const rows = co_await conn.query_as<std::tuple<T, std::string>>(sql, value);
    auto const [back, text] = rows.one();
    BOOST_TEST((back == value), type << " " << printed << " came back as another");
    BOOST_TEST(text == printed);
    // Also as an optional, and as arrays with and without NULLs.
    std::vector<T> const values{value, value};
    std::vector<std::optional<T>> const some{std::nullopt, value};
    using arrays = std::tuple<std::optional<T>, std::vector<T>, std::vector<std::optional<T>>, std::optional<T>>;
    auto const more = "select $1::" + type + ", $2::" + type + "[], $3::" + type + "[], $4::" + type;
    auto const result = co_await conn.query_as<arrays>(more, std::optional<T>(value), values, some, std::optional<T>());
    auto const [one, two, three, none] = result.one();
    BOOST_TEST((one == value));
    BOOST_TEST((two == values));
    BOOST_TEST((three == some));
    BOOST_TEST(!none);
}

/// The column of a literal.
template <class T>
asio::awaitable<T> column(db::connection& conn, std::string expression)
{
    auto const rows = co_await conn.query_as<T>("select " + expression + " as x");
    co_return rows.one();
}

/// Why a column cannot be read as T: a bad_result.
template <class T>
asio::awaitable<std::string> why_not(db::connection& conn, std::string expression)
{
    std::string why;
    try {
        auto const rows = co_await conn.query_as<T>("select " + expression + " as x");
        static_cast<void>(rows.one());
    } catch (db::error const& thrown) {
        BOOST_TEST((thrown.code() == db::errc::bad_result));
        why = thrown.what();
    }
    co_return why;
}

template <class T>
asio::awaitable<void> check_why_not(db::connection& conn, std::string expression, std::string expected)
{
    auto const why = co_await why_not<T>(conn, expression);
    BOOST_TEST(why == expected);
}

}  // namespace pgtally::test
