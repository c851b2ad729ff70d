#pragma once

#include "ear.hpp"
#include "laboratory.hpp"

#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pgtally::lab {

/// Keeps counters as the articles' service does: it listens, reads the counters once from the view, adds the deltas
/// of notifications, and adds the gathered deltas to its table when it materializes. SQL and code are our own.
///
/// It has four errors on purpose (anomalies.hpp). Destroying it stands for the end of the service's process.
class article_keeper {
public:
    struct counters {
        std::int64_t rts = 0;
        std::int64_t favs = 0;
    };

    explicit article_keeper(laboratory& lab) : lab_(lab) {}

    /// The view that it reads, the table that it keeps, and the trigger that notifies it. Run it after
    /// laboratory::reset().
    static char const* const setup;

    /// Returns when LISTEN is committed. Call it again after hang_up(), as the service does after a lost
    /// connection.
    asio::awaitable<void> listen();

    /// Reads the counters from the view and starts to add.
    asio::awaitable<void> load();

    /// Drops the connection.
    void hang_up() { ear_.reset(); }

    /// Returns when every notification sent so far has been added.
    asio::awaitable<void> catch_up() { return ear_->catch_up(); }

    /// Adds the gathered counters to the table. After a load, these are all counters that were read.
    asio::awaitable<void> materialize();

    /// The counter that it serves.
    [[nodiscard]] std::int64_t rts(std::int64_t messageid) const;

private:
    using ledger = std::map<std::int64_t, counters>;
    struct books {
        void enter(std::string_view payload);
        void begin(ledger read);

        bool loaded = false;
        std::vector<std::string> waiting{};  // payloads that arrived before load(), which adds them
        ledger answers{};
        ledger gathered{};  // since the last materialization
    };

    laboratory& lab_;
    std::shared_ptr<books> books_ = std::make_shared<books>();
    std::optional<ear> ear_{};
};

}  // namespace pgtally::lab
