// A small query program: prints the rows of the statement that it is given, for a database in PGTALLY_DSN.

#include <pgtally/db/connection.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <cstdlib>
#include <exception>
#include <iostream>
#include <string>

namespace asio = boost::asio;
namespace db = pgtally::db;

asio::awaitable<void> print_rows(asio::any_io_executor executor, std::string sql)
{
    db::config settings;
    settings.conninfo = std::getenv("PGTALLY_DSN");
    db::connection connection(executor);
    co_await connection.connect(settings);
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
    asio::co_spawn(ctx, print_rows(ctx.get_executor(), words[1]), [&](std::exception_ptr failure) {
        try {
            if (failure) std::rethrow_exception(failure);
        } catch (std::exception const& e) {
            std::cerr << e.what() << '\n';
            status = 1;
        }
    });
    ctx.run();
    return status;
}
