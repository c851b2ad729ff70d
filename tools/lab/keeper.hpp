#pragma once

#include "count.hpp"
#include "laboratory.hpp"
#include "strategy.hpp"

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <memory>
#include <vector>

namespace pgtally::lab {

/// Where a strategy's counters are read. Outlives the coroutines of its members; destroying it ends whatever it runs.
class keeper {
public:
    keeper() = default;
    keeper(keeper const&) = delete;
    keeper& operator=(keeper const&) = delete;
    virtual ~keeper() = default;

    /// Returns when nothing that is committed from now on can escape it. Throws refused.
    virtual asio::awaitable<void> start() = 0;

    /// The counters once all is in them that was committed before. `messages` are those asked for. Throws refused,
    /// db::error.
    virtual asio::awaitable<std::vector<count>> read(std::vector<std::int64_t> messages) = 0;
};

[[nodiscard]] std::unique_ptr<keeper> make_keeper(laboratory& lab, strategy const& of);

[[nodiscard]] std::unique_ptr<keeper> make_listening_keeper(laboratory& lab);
[[nodiscard]] std::unique_ptr<keeper> make_replica_keeper(laboratory& lab);

}  // namespace pgtally::lab
