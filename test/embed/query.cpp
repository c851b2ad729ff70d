// A small query program: prints the rows of the statement that it is given, for a database in PGTALLY_DSN. It connects
// by a callback and goes on in a coroutine: an operation has both forms.

#include <pgtally/db/connection.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <cstdlib>
#include <exception>
#include <iostream>
#include <string>

namespace asio = boost::asio;
namespace db = pgtally::db;

asio::awaitable<void> print_rows(db::connection& connection, std::string sql)
{
    auto const rows = co_await connection.query(sql);
    for (std::size_t row = 0; row < rows.size(); ++row) {
        for (std::size_t column = 0; column < rows.columns(); ++column) {
            std::cout << (column == 0 ? "" : "|") << rows.text(row, column);
        }
        std::cout << '\n';
    }
}

int main(int count, char** words)
{
    if (count != 2 || std::getenv("PGTALLY_DSN") == nullptr) return 2;
    asio::io_context ctx;
    int status = 0;
    auto const on_end = [&](std::exception_ptr failure) {
        try {
            if (failure) std::rethrow_exception(failure);
        } catch (std::exception const& e) {
            std::cerr << e.what() << '\n';
            status = 1;
        }
    };
    db::config settings;
    settings.conninfo = std::getenv("PGTALLY_DSN");
    db::connection connection(ctx.get_executor());
    connection.async_connect(settings, [&](std::exception_ptr failure) {
        if (failure) on_end(failure);
        else asio::co_spawn(ctx, print_rows(connection, words[1]), on_end);
    });
    ctx.run();
    return status;
}
