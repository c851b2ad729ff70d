#include "contestants.hpp"

#include <pgtally/db/connection.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <cstdio>
#include <exception>
#include <memory>
#include <string_view>
#include <system_error>
#include <utility>

namespace pgtally::bench {
namespace {

namespace asio = boost::asio;

struct close {
    void operator()(std::FILE* file) const noexcept { std::fclose(file); }
};
using file_ptr = std::unique_ptr<std::FILE, close>;

void check(bool done, std::string const& path)
{
    if (!done) throw std::system_error(errno, std::generic_category(), path);
}

asio::awaitable<std::uint64_t> copy_to(db::config settings, std::string sql, std::string path)
{
    db::connection from(co_await asio::this_coro::executor);
    co_await from.connect(std::move(settings));
    file_ptr const file(std::fopen(path.c_str(), "wb"));
    check(file != nullptr, path);
    auto rows = co_await from.copy_out(std::move(sql));
    for (;;) {
        auto const chunk = co_await rows.read();
        if (chunk.empty()) break;
        check(std::fwrite(chunk.data(), 1, chunk.size(), file.get()) == chunk.size(), path);
    }
    check(std::fflush(file.get()) == 0, path);
    co_return rows.rows();
}

}  // namespace

std::uint64_t copy(db::config settings, std::string const& query, std::string const& path)
{
    asio::io_context context{1};
    std::uint64_t result = 0;
    auto const on_end = [&result](std::exception_ptr thrown, std::uint64_t rows) {
        if (thrown) std::rethrow_exception(thrown);
        result = rows;
    };
    asio::co_spawn(context, copy_to(std::move(settings), "copy (" + query + ") to stdout", path), on_end);
    context.run();
    return result;
}

}  // namespace pgtally::bench
