#pragma once

#include <pgtally/db/transaction.hpp>
#include <pgtally/test/db/fixture.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <exception>
#include <string>

namespace pgtally::test {

struct transaction_fixture : db_fixture {
    transaction_fixture()
    {
        cluster::shared().sql("drop table if exists t; create table t (id int primary key, n int)");
    }
    ~transaction_fixture() { cluster::shared().sql("drop table t"); }
};

inline std::string in_table()
{
    return cluster::shared().sql("select coalesce(string_agg(id::text, ',' order by id), '') from t");
}

inline asio::awaitable<std::string> show(db::transaction& tx, std::string what)
{
    auto const rows = co_await tx.query("show " + what);
    co_return std::string(rows.text(0, 0));
}

// A coroutine that runs concurrently with the test and can be cancelled, and its outcome.
struct beside {
    asio::cancellation_signal cancel;
    bool ended = false;
    std::exception_ptr failure;

    void start(asio::any_io_executor executor, asio::awaitable<void> body)
    {
        auto done = [this](std::exception_ptr thrown) {
            ended = true;
            failure = thrown;
        };
        asio::co_spawn(executor, std::move(body), asio::bind_cancellation_slot(cancel.slot(), std::move(done)));
    }

    db::error_code code() const
    {
        try {
            if (failure) std::rethrow_exception(failure);
        } catch (boost::system::system_error const& thrown) {
            return thrown.code();
        }
        return db::error_code();
    }
};

inline asio::awaitable<void> until(asio::any_io_executor executor, bool const& happened)
{
    while (!happened) co_await asio::post(executor, asio::use_awaitable);
}

inline std::exception_ptr with_state(char const* state)
{
    db::diagnostics said;
    said.state = db::sqlstate(state);
    return std::make_exception_ptr(db::error(db::errc::server_error, "as if", said));
}

}  // namespace pgtally::test
