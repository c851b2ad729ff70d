#pragma once

#include <pgtally/db/detail/connection_core.hpp>
#include <pgtally/db/detail/pgoutput.hpp>
#include <pgtally/db/detail/reconnect.hpp>
#include <pgtally/db/detail/signal.hpp>
#include <pgtally/db/detail/wal_opening.hpp>
#include <pgtally/db/detail/wal_position.hpp>
#include <pgtally/db/detail/wal_queue.hpp>
#include <pgtally/db/detail/wal_status.hpp>
#include <pgtally/db/wal_stream.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>

#include <memory>
#include <optional>
#include <span>
#include <string>

namespace pgtally::db::detail {

/// A wal_stream's connections, one after another (wal_stream_impl.cpp), and what it does while one streams
/// (wal_follow.cpp).
class wal_stream_impl : public std::enable_shared_from_this<wal_stream_impl> {
public:
    wal_stream_impl(asio::any_io_executor executor, config settings, wal_stream_options options,
                    wal_stream_limits limits);

    static asio::awaitable<void> run(std::shared_ptr<wal_stream_impl> self);
    static asio::awaitable<std::span<wal::event const>> next(std::shared_ptr<wal_stream_impl> self);
    void confirm(lsn end);
    void reconnect(std::string reason);
    void retry_now() noexcept;
    void stop() noexcept;

    [[nodiscard]] bool is_streaming() const noexcept { return again_.is_connected() && core_->is_open(); }
    [[nodiscard]] connection_core const& core() const noexcept { return *core_; }
    [[nodiscard]] wal_stream_counters const& counters() const noexcept { return counters_; }

private:
    using clock = std::chrono::steady_clock;

    asio::awaitable<lost> session();
    asio::awaitable<wal::streaming> open();
    asio::awaitable<wal_slot> make_slot();
    void started(wal::streaming now);
    void report(lost why);
    void notice_wait();
    void silence_alarm();
    void log(level at, std::string const& line) const noexcept;

    // wal_follow.cpp
    asio::awaitable<void> follow(connection_core::operation& op);
    bool read_all(connection_core::operation& op);
    void take(pgoutput::decoded const& message);
    void take(pgoutput::commit const& end);
    asio::awaitable<bool> answer(connection_core::operation& op);
    void interrupt_at(clock::time_point when);
    [[nodiscard]] lsn position_now() const noexcept;
    [[nodiscard]] error failure(errc code, std::string_view why) const;

    config settings_;
    wal_stream_options options_;
    wal_stream_limits limits_;
    wal_queue queue_;
    std::shared_ptr<connection_core> core_;
    signal arrived_;            // wakes the consumer
    asio::steady_timer alarm_;  // tells that making the slot takes long; then it ends waits for input
    std::optional<clock::time_point> alarm_at_{};
    detail::reconnect again_;
    wal_status::limits status_limits_{};
    // Of the current connection:
    pgoutput::decoder decoder_{};
    wal_position position_{};
    wal_status status_{};

    wal_stream_counters counters_{};
    std::string reconnect_reason_{};
    bool running_ = false;
    bool stopped_ = false;
    bool consumer_waits_ = false;
};

}  // namespace pgtally::db::detail
