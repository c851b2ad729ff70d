#pragma once

#include "compare.hpp"
#include "laboratory.hpp"
#include "strategy.hpp"

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <memory>
#include <vector>

namespace pgtally::lab {

/// Reads a strategy's counters. Outlives the coroutines of its members. Destroying it ends what it runs.
class keeper {
public:
    keeper() = default;
    keeper(keeper const&) = delete;
    keeper& operator=(keeper const&) = delete;
    virtual ~keeper() = default;

    /// Returns when it cannot miss later commits. Throws refused.
    virtual asio::awaitable<void> start() = 0;

    /// Returns the counters of `messages` once they include everything committed before. Throws refused,
    /// db::error.
    virtual asio::awaitable<std::vector<count>> read(std::vector<std::int64_t> messages) = 0;
};

[[nodiscard]] std::unique_ptr<keeper> make_keeper(laboratory& lab, strategy const& of);

[[nodiscard]] std::unique_ptr<keeper> make_listening_keeper(laboratory& lab);
[[nodiscard]] std::unique_ptr<keeper> make_replica_keeper(laboratory& lab);

}  // namespace pgtally::lab
