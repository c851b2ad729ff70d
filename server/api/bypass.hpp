#pragma once

#include <pgtally/cache/definition.hpp>
#include <pgtally/db/pool.hpp>
#include <pgtally/server/base/limits.hpp>
#include <pgtally/server/http/response.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pgtally::server {

namespace asio = boost::asio;

// `?source=database`: the truth, read from PostgreSQL and not from the replica. Each request scans the source, so only
// few run at a time.
class bypass {
public:
    bypass(asio::any_io_executor executor, db::config database, limits const& bounds);

    // The counters of `keys`, in their order, or why not.
    struct answer {
        std::vector<std::vector<std::int64_t>> counters;
        std::optional<response> refused;
    };
    asio::awaitable<answer> ask(std::string tally, std::size_t width, std::vector<std::string> keys);

private:
    db::pool pool_;
};

}  // namespace pgtally::server
