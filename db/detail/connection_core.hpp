#pragma once

#include <pgtally/db/config.hpp>
#include <pgtally/db/detail/signal.hpp>
#include <pgtally/db/error.hpp>
#include <pgtally/db/params.hpp>
#include <pgtally/db/pq.hpp>
#include <pgtally/db/resolve.hpp>
#include <pgtally/db/result.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pgtally::db::detail {

/// What connection and listener have in common: a PGconn, the descriptor that Asio watches for it,
/// and the operation under way.
///
/// Model
///  1. The operations are static coroutines that own the core: it outlives the object that started
///     them. What they call are coroutines of `this`, awaited at once.
///  2. All that waits, waits for the descriptor or for wake_. shut() lets go of the one, notifies
///     the other, and notes why; whoever wakes looks (alive()) before it touches anything.
///  3. An operation that leaves without finish(), by whatever way, leaves the protocol at an
///     unknown point: its guard shuts the connection.
///  4. The descriptor is libpq's: Asio watches it between unwrap() and unwrap(), and never closes
///     it.
class connection_core : public std::enable_shared_from_this<connection_core> {
public:
    using pointer = std::shared_ptr<connection_core>;
    using notify_sink = std::function<void(pq::notify const&)>;

    explicit connection_core(asio::any_io_executor executor);

    static asio::awaitable<void> connect(pointer self, config settings);
    static asio::awaitable<result_set> query(pointer self, std::string sql, params values, bool binary);
    static asio::awaitable<void> script(pointer self, std::string sql);

    /// Waits until something arrives, reads it, and gives all notifications to the sink. False:
    /// interrupt() came first.
    static asio::awaitable<bool> receive(pointer self);
    void interrupt() noexcept;

    /// For a session, once connected: from here on it sends and reads by pipeline(), and waits by
    /// turn(). Throws error (connection_lost).
    void start_pipeline();
    [[nodiscard]] pq::conn& pipeline() noexcept { return conn_; }

    /// Waits until something arrives and reads it, or nudge() was called since the last turn, or, where
    /// something is still `unsent`, more can be sent. False: the peer is gone; what it had sent may
    /// still be read.
    static asio::awaitable<bool> turn(pointer self, bool unsent);
    void nudge() noexcept;

    /// Ends the connection as lost, for the reason in `failed` if the server gave one, and throws that.
    [[noreturn]] void lose_pipeline(pq::result const& failed);

    /// Called for every notification in every operation; must neither throw nor close. Empty:
    /// dropped.
    void set_sink(notify_sink sink) { sink_ = std::move(sink); }

    /// What PostgreSQL could not take; "" if it can.
    [[nodiscard]] static std::string why_not_sendable(std::string_view sql, params const& values);

    /// See connection.
    static void leave_transaction(pointer self) noexcept;
    static asio::awaitable<void> settled(pointer self);
    [[nodiscard]] bool in_transaction() const noexcept { return leaving_ || conn_.in_transaction(); }

    void shut(errc why) noexcept;
    void set_timeout(std::chrono::milliseconds timeout) noexcept { timeout_ = timeout; }

    [[nodiscard]] bool is_open() const noexcept { return open_ && !conn_.bad(); }
    [[nodiscard]] pq::conn const& conn() const noexcept { return conn_; }
    [[nodiscard]] std::string const& description() const noexcept { return description_; }
    [[nodiscard]] asio::any_io_executor executor() const noexcept { return executor_; }

private:
    class operation;
    struct readiness;

    // connect.cpp
    asio::awaitable<std::vector<target>> resolve(std::vector<target> from);
    asio::awaitable<bool> connect_any(pq::options wanted, std::vector<target> to, bool final);
    asio::awaitable<void> attempt(pq::options wanted);
    asio::awaitable<pq::result> run_script();
    [[nodiscard]] pq::options complete(pq::options named, pq::options const& effective) const;
    [[nodiscard]] error connect_error() const;
    [[nodiscard]] error timed_out_at(pq::options const& wanted) const;
    void revive() noexcept;

    // leave_transaction.cpp
    static asio::awaitable<void> roll_back(pointer self, std::unique_ptr<operation> op);

    // connection_core.cpp
    asio::awaitable<pq::result> exchange();
    asio::awaitable<void> flush();
    asio::awaitable<void> wait(asio::posix::stream_descriptor::wait_type what);
    asio::awaitable<void> wait_either();
    asio::awaitable<void> wait_turn(bool unsent);
    void wrap();
    void unwrap() noexcept;
    bool consume();
    void deliver_notifies();
    void deliver_notices();
    void hear_last_words(pq::result const& failed);
    void arm(std::chrono::milliseconds timeout);
    void disarm() noexcept;
    void check(pq::result const& result);
    void log(level at, std::string_view line) const noexcept;
    [[nodiscard]] std::string line(std::string_view why, sqlstate const& state) const;
    void check_alive() const;
    [[nodiscard]] error gone() const;
    [[noreturn]] void lose();
    [[noreturn]] void cancelled();

    asio::any_io_executor executor_;
    config settings_{};
    std::string description_{};
    pq::conn conn_{};
    std::optional<asio::posix::stream_descriptor> socket_{};
    std::shared_ptr<signal> wake_;  // shared with the resolver's handler
    signal left_;
    asio::steady_timer deadline_;
    std::uint64_t deadline_number_ = 0;  // tells a deadline that fired from one that was disarmed
    std::chrono::milliseconds timeout_{0};
    notify_sink sink_{};
    std::optional<errc> shut_for_{errc::closed};  // nothing: alive
    bool open_ = false;
    bool busy_ = false;
    bool receiving_ = false;
    bool leaving_ = false;   // a transaction: the operation under way is nobody's
    bool settling_ = false;  // somebody waits for the end of that
    bool interrupted_ = false;
    std::shared_ptr<readiness> ready_{};  // while in pipeline mode: shared with the waits under way
    char const* action_ = "";             // of the operation under way
    std::string statement_{};             // likewise
    diagnostics last_words_{};            // with which the server ended the connection
};

/// The one operation under way. Throws busy if there is one already.
class connection_core::operation {
public:
    operation(connection_core& core, char const* action, std::string statement);
    ~operation();
    operation(operation const&) = delete;
    operation& operator=(operation const&) = delete;

    /// The protocol is at rest: the connection may be used further.
    void finish() noexcept { finished_ = true; }

private:
    connection_core& core_;
    bool finished_ = false;
};

/// The waits of a pipeline, which last over turns: a nudge does not end them.
struct connection_core::readiness {
    bool awaits_read = false;
    bool readable = false;
    bool awaits_write = false;
    bool writable = false;
};

}  // namespace pgtally::db::detail
