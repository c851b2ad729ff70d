#pragma once

#include <pgtally/db/wal_event.hpp>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace pgtally::db::detail {

/// The transaction that is arriving, and events that arrived and were not fetched, within limits. Two batches take turns.
/// A pure class.
///
/// If there are too many transactions, one `streaming` replaces everything before it: the consumer loads again and
/// misses nothing. Of several `lost` or `waiting` in a row only the last one is kept.
class wal_queue {
public:
    wal_queue(std::size_t max_transactions, std::size_t max_bytes, std::size_t max_transaction_bytes);

    /// Begins the transaction that arrives; one that was not committed is dropped.
    void begin();
    /// Returns false if this message is the first beyond the limit of a transaction; its messages are then dropped.
    bool add(std::string_view content);

    enum class pushed { nothing, queued, overflow };
    /// Queues the transaction that has arrived, unless it has no message. If there was no room, the queue then holds
    /// one `streaming`.
    pushed commit(std::uint32_t xid, lsn record, lsn end, std::chrono::sys_time<std::chrono::microseconds> at);

    void push_streaming(wal::streaming now);
    void push_waiting(wal::waiting now);
    void push_lost(lost why);

    /// Returns all events; they are valid until the next call of take().
    [[nodiscard]] std::span<wal::event const> take();

    void clear() noexcept { back_->clear(); }
    [[nodiscard]] bool empty() const noexcept { return back_->events.empty(); }

    /// Transactions since the last `streaming` that were not fetched.
    [[nodiscard]] std::size_t pending() const noexcept { return pending_; }
    /// The end of the last one since then that was fetched; 0: none.
    [[nodiscard]] lsn fetched() const noexcept { return fetched_; }

private:
    struct body {
        std::string bytes{};
        std::vector<std::size_t> ends{};  // of each message in `bytes`
        std::vector<std::string_view> messages{};
        bool complete = true;

        [[nodiscard]] std::size_t size() const noexcept;
    };
    struct batch {
        void clear() noexcept;

        std::deque<body> bodies{};  // which the events point into
        std::vector<wal::event> events{};
        std::size_t transactions = 0;
        std::size_t bytes = 0;
    };

    template <class Event>
    void push_instead(Event now);

    std::size_t max_transactions_;
    std::size_t max_bytes_;
    std::size_t max_transaction_bytes_;
    body arriving_{};
    wal::streaming streaming_{};    // the last one
    std::unique_ptr<batch> back_;   // being filled
    std::unique_ptr<batch> front_;  // returned by take()
    std::size_t pending_ = 0;
    lsn last_{};  // the end of the last one that is pending
    lsn fetched_{};
};

}  // namespace pgtally::db::detail
