#pragma once

#include <pgtally/db/detail/log.hpp>
#include <pgtally/db/detail/pool_core.hpp>
#include <pgtally/db/detail/signal.hpp>
#include <pgtally/db/pool.hpp>

#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pgtally::db::detail {

/// Carries out what pool_core decides. It owns the idle connections. Connections in use belong to their leases,
/// which also own this object.
class pool_impl : public std::enable_shared_from_this<pool_impl> {
public:
    using pointer = std::shared_ptr<pool_impl>;
    using connection_ptr = std::shared_ptr<connection>;
    using time_point = std::chrono::steady_clock::time_point;

    pool_impl(asio::any_io_executor executor, pool_config settings);

    static asio::awaitable<lease> acquire(pointer self, std::optional<time_point> until);
    void give_back(member_id which, connection_ptr conn, bool discard) noexcept;
    void stop() noexcept;

    [[nodiscard]] pool_counters counters() const { return core_.counters(); }
    [[nodiscard]] asio::any_io_executor executor() const noexcept { return executor_; }
    [[nodiscard]] std::string const& description() const noexcept { return description_; }

private:
    struct waiter {
        explicit waiter(asio::any_io_executor executor) : turn(std::move(executor)) {}
        signal turn;
        member_id which{};
        connection_ptr given{};
        std::optional<error> failure{};
    };
    using waiter_ptr = std::shared_ptr<waiter>;
    class place;

    static asio::awaitable<void> open(pointer self, member_id which, connection_ptr conn);
    static asio::awaitable<void> check(pointer self, member_id which, connection_ptr conn);
    static asio::awaitable<void> clean(pointer self, member_id which, connection_ptr conn);
    void go_on() noexcept;
    void perform(pool_step const& step);
    void hand_over(pool_step const& step);
    void start(asio::awaitable<void> beside, member_id which);
    void opened(member_id which, std::optional<error> failure);
    void finish(member_id which, fate what) noexcept;
    void fail(std::vector<ticket> const& whom, error const& why);
    void wake_later();
    void report(error const& why);
    void log(level at, std::string_view what) const noexcept;
    [[nodiscard]] error refusal(error_code code, std::string_view why) const;

    asio::any_io_executor executor_;
    pool_config settings_;
    std::string description_;
    pool_core core_;
    std::map<member_id, connection_ptr> connections_{};
    std::map<ticket, waiter_ptr> waiters_{};
    asio::steady_timer timer_;
    std::optional<time_point> timer_at_{};
    std::optional<error> last_failure_{};  // to connect, since the last success
    last_reason reported_{};
};

}  // namespace pgtally::db::detail
