#pragma once

#include <pgtally/db/async.hpp>
#include <pgtally/db/rows.hpp>

#include <boost/asio/awaitable.hpp>

#include <string>
#include <utility>

// The common part of everything that runs statements: connection, transaction, pool, session.
namespace pgtally::db::detail {

/// Awaits a result in binary format and returns typed rows.
template <class Row>
asio::awaitable<rows<Row>> as_rows(asio::awaitable<result_set> operation)
{
    auto result = co_await std::move(operation);
    co_return rows<Row>(std::move(result));
}

/// query() and query_as() with a completion token as the last argument (async.hpp).
template <class Self>
class async_queries {
public:
    template <class... Args>
    auto async_query(std::string sql, Args&&... values_and_token)
    {
        auto const make = [&](auto const&... values) { return self().query(std::move(sql), values...); };
        return start_with(self().executor(), make, std::forward<Args>(values_and_token)...);
    }
    template <class Row, class... Args>
    auto async_query_as(std::string sql, Args&&... values_and_token)
    {
        auto const make = [&](auto const&... values) {
            return self().template query_as<Row>(std::move(sql), values...);
        };
        return start_with(self().executor(), make, std::forward<Args>(values_and_token)...);
    }

private:
    Self& self() noexcept { return static_cast<Self&>(*this); }
};

}  // namespace pgtally::db::detail
