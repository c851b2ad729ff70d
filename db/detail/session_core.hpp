#pragma once

#include <pgtally/db/detail/connection_core.hpp>
#include <pgtally/db/detail/deadlines.hpp>
#include <pgtally/db/detail/keepalive.hpp>
#include <pgtally/db/detail/reconnect.hpp>
#include <pgtally/db/detail/request_queue.hpp>
#include <pgtally/db/detail/statement_cache.hpp>
#include <pgtally/db/detail/waiter.hpp>
#include <pgtally/db/session.hpp>

#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pgtally::db::detail {

/// A call of a session: what is sent, and what has been received so far.
struct request : queued, with_deadline {
    request(std::string&& text, params&& given, bool as_binary);

    std::string sql;
    params values;
    bool binary;
    std::string typed_key{};                         // key of the prepared statement, if it is not the text alone
    std::optional<statement_cache::id> statement{};  // the prepared statement that was sent
    bool fresh = false;                              // it is prepared along with this call
    bool healed = false;                             // sent for the second time

    [[nodiscard]] std::string_view key() const noexcept { return typed_key.empty() ? sql : typed_key; }

    pq::result last{};
    pq::result failed{};  // the first failed result
    std::optional<error> failure{};
    bool timed_out = false;
    bool keepalive = false;  // a Sync alone, without a caller
    waiter caller{};
};

/// The core of a session: the queue of calls, and run(), which alone touches the connection. Callers push a
/// request, nudge run(), and wait in the request. One timer watches all deadlines.
class session_core : public std::enable_shared_from_this<session_core> {
public:
    using pointer = std::shared_ptr<session_core>;
    using request_ptr = std::shared_ptr<request>;
    using time_point = std::chrono::steady_clock::time_point;

    session_core(asio::any_io_executor executor, session_config settings);

    static asio::awaitable<void> run(pointer self);
    static asio::awaitable<result_set> call(pointer self, request_ptr mine, std::optional<time_point> until);
    void stop() noexcept;

    [[nodiscard]] connection_core const& core() const noexcept { return *core_; }
    [[nodiscard]] request_queue<request> const& queue() const noexcept { return queue_; }
    [[nodiscard]] session_counters const& counters() const noexcept { return counters_; }

private:
    class caller;
    struct alarm;

    // session_core.cpp
    asio::awaitable<error> connect_and_drive();
    asio::awaitable<void> drive();
    void resume_answered();
    void watch(request& of);
    void set_alarm(time_point at);
    void ring();
    void silence() noexcept;
    void watch_idle();
    void report(error const& why);
    void give_up_in_flight(error const& why);
    void give_up_all() noexcept;
    [[nodiscard]] time_point deadline(std::optional<time_point> until) const;
    [[nodiscard]] std::string line(std::string_view why, sqlstate const& state) const;
    [[nodiscard]] error failure(errc code, std::string_view why, std::string const& sql) const;
    [[nodiscard]] error failure(error_code code, std::string_view why, std::string const& sql) const;
    void log(level at, std::string const& text) const noexcept;

    // session_wire.cpp
    void write_waiting();
    void write_next(request_ptr const& next);
    void keep_alive();
    void deallocate(statement_cache::id statement);
    bool read_answers();
    void take(pq::result result);
    void finish_front();
    [[nodiscard]] bool is_stale(request const& of) const;
    [[noreturn]] void refuse_front(std::string_view why);
    void fulfil(request_ptr const& of);

    asio::any_io_executor executor_;
    session_config settings_;
    std::shared_ptr<connection_core> core_;
    request_queue<request> queue_;
    statement_cache statements_;
    std::vector<request_ptr> answered_{};  // their callers are resumed after all input has been read
    bool resuming_ = false;
    deadlines deadlines_{};  // of all waiting callers
    asio::steady_timer alarm_;
    std::optional<time_point> alarm_at_{};  // while the timer is set
    keepalive keepalive_;
    asio::steady_timer idle_;  // fires when keepalive_ must be checked
    bool idle_due_ = false;    // the timer fired
    reconnect again_;
    session_counters counters_{};
    bool running_ = false;
    bool stopped_ = false;
};

}  // namespace pgtally::db::detail
