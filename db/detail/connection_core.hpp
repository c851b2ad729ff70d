#pragma once

#include <pgtally/db/config.hpp>
#include <pgtally/db/detail/pq.hpp>
#include <pgtally/db/detail/resolve.hpp>
#include <pgtally/db/detail/signal.hpp>
#include <pgtally/db/detail/waiter.hpp>
#include <pgtally/db/error.hpp>
#include <pgtally/db/params.hpp>
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
#include <utility>
#include <vector>

namespace pgtally::db::detail {

/// The common part of connection, listener and session: a PGconn, the descriptor that Asio watches for it, and
/// the operation in progress.
///
/// Model
///  1. Operations are static coroutines that own the core, so it outlives the object that started them. They call
///     coroutines of `this`, which are awaited at once.
///  2. Everything that waits, waits for the descriptor or for wake_. shut() releases the descriptor, notifies
///     wake_ and records the reason. Each coroutine that wakes up checks the state (check_alive()) before it
///     touches anything.
///  3. If an operation is left without finish(), for any reason, the protocol is in the middle of a statement.
///     recover() then brings the connection to rest, in a coroutine of its own, and the next operation waits for
///     it. If that is not possible, the guard shuts the connection.
///  4. libpq owns the descriptor. Asio watches it between wrap() and unwrap(), and never closes it.
class connection_core : public std::enable_shared_from_this<connection_core> {
public:
    using pointer = std::shared_ptr<connection_core>;
    class operation;
    using notify_sink = std::function<void(pq::notify const&)>;

    explicit connection_core(asio::any_io_executor executor);

    /// `also` are options of libpq that the caller of the library cannot choose.
    static asio::awaitable<void> connect(pointer self, config settings, pq::options also = pq::options());
    static asio::awaitable<result_set> query(pointer self, std::string sql, params values, bool binary);
    static asio::awaitable<void> script(pointer self, std::string sql);

    // Steps of streams (stream.cpp). Each takes an operation that lives as long as the stream.

    /// Sends the statement in single-row mode.
    static asio::awaitable<void> begin_rows(operation& op, params values);
    /// Returns one row; at the end a result without rows, then null.
    static asio::awaitable<pq::result> next_row(operation& op);
    /// Sends the statement and waits until the server starts to copy.
    static asio::awaitable<void> begin_copy(operation& op, pq::status wanted);
    /// Appends what has arrived, at least one message, and returns null. At the end it appends nothing and
    /// returns the result of the statement.
    static asio::awaitable<pq::result> read_copy(operation& op, std::string& into);
    static asio::awaitable<void> write_copy(operation& op, std::string_view data);
    /// Returns the result of the statement. With a reason, the server is expected to refuse the data.
    static asio::awaitable<pq::result> end_copy(operation& op, char const* reason);

    // Replication (copy_both.cpp). The stream begins with begin_copy().

    /// Runs a command, or several statements, as a simple query and returns the last result.
    static asio::awaitable<result_set> command(pointer self, std::string text);
    /// Takes a message that has arrived.
    [[nodiscard]] static pq::copied next_message(operation& op, pq::copy_message& into) noexcept;
    /// Waits for input or interrupt(), and reads what is there.
    static asio::awaitable<void> wait_message(operation& op);
    static asio::awaitable<void> send_message(operation& op, std::string_view data);
    /// After copied::end: throws why the stream ended.
    static asio::awaitable<void> end_messages(operation& op);

    /// Asks the server, over a second connection, to cancel the running statement.
    void cancel() noexcept;

    /// Rolls back an open transaction; the next operation waits for it.
    void leave_transaction() noexcept;

    /// A transaction has a number while it is the connection's current one: until it is left or the connection
    /// ends. A transaction begun by a BEGIN in a statement has no number.
    enum class transaction_number : std::uint64_t {};
    [[nodiscard]] transaction_number number_transaction() noexcept
    {
        transaction_ = transaction_number{++transactions_begun_};
        return transaction_;
    }
    [[nodiscard]] bool has(transaction_number which) const noexcept { return transaction_ == which; }
    /// Does nothing if another transaction is current.
    void leave_transaction(transaction_number which) noexcept
    {
        if (has(which)) leave_transaction();
    }

    /// Waits for the end of a recovery, successful or not. Throws error (busy, operation_aborted).
    static asio::awaitable<void> settled(pointer self);

    [[nodiscard]] bool in_transaction() const noexcept { return rollback_ || conn_.in_transaction(); }
    [[nodiscard]] bool is_busy() const noexcept { return busy_; }

    /// True if the connection is open, with no operation, recovery or transaction in progress.
    [[nodiscard]] bool is_idle() const noexcept;

    /// Waits for input, reads it, and passes all notifications to the sink. Returns false if interrupt() was
    /// called first.
    static asio::awaitable<bool> receive(pointer self);
    void interrupt() noexcept;

    /// For a session, after connect(). From here on the session sends and reads with pipeline() and waits with
    /// wait_pipeline(). Throws error (connection_lost).
    void start_pipeline();
    [[nodiscard]] pq::conn& pipeline() noexcept { return conn_; }

    /// Waits for input and reads it; also returns after a nudge(), or, if something is `unsent`, when more can be
    /// sent. Returns false if the peer is gone; what it had sent can still be read.
    static asio::awaitable<bool> wait_pipeline(pointer self, bool unsent);
    void nudge() noexcept;
    /// Returns true if input arrived since the last call.
    [[nodiscard]] bool take_arrived() noexcept { return std::exchange(arrived_, false); }

    /// Logs the notices that came with the answers. Throws error if the log hook has closed the connection.
    void log_notices();

    /// Closes the connection as lost and throws. The reason is `failed` if the server gave one.
    [[noreturn]] void lose_pipeline(pq::result const& failed);

    /// Called for every notification, in every operation; must neither throw nor close. Empty: notifications are
    /// dropped.
    void set_sink(notify_sink sink) { sink_ = std::move(sink); }

    /// Returns why PostgreSQL cannot accept this; "" if it can.
    [[nodiscard]] static std::string why_not_sendable(std::string_view sql, params const& values);

    void shut(errc why) noexcept;
    void set_timeout(std::chrono::milliseconds timeout) noexcept { timeout_ = timeout; }

    [[nodiscard]] bool is_open() const noexcept { return open_ && !conn_.bad(); }
    [[nodiscard]] pq::conn const& conn() const noexcept { return conn_; }
    [[nodiscard]] std::string const& description() const noexcept { return description_; }
    [[nodiscard]] asio::any_io_executor executor() const noexcept { return executor_; }

private:
    struct readiness;
    struct cancel_request;
    struct read_ready;

    // connect.cpp
    asio::awaitable<std::vector<target>> resolve(std::vector<target> from);
    asio::awaitable<bool> connect_any(pq::options wanted, std::vector<target> to, bool final);
    asio::awaitable<void> attempt(pq::options wanted);
    asio::awaitable<pq::result> run_script();
    [[nodiscard]] pq::options complete(pq::options named, pq::options const& effective) const;
    [[nodiscard]] error connect_error() const;
    [[nodiscard]] error timed_out_at(pq::options const& wanted) const;
    void revive() noexcept;

    // recovery.cpp
    asio::awaitable<void> ready();
    void leave() noexcept;
    void begin_recovery() noexcept;
    static asio::awaitable<void> recover(pointer self);
    asio::awaitable<void> come_to_rest();
    asio::awaitable<void> drain();
    asio::awaitable<void> skip_copy();
    asio::awaitable<void> prove_in_step();
    asio::awaitable<void> absorb_cancel();
    void ask_to_cancel() noexcept;
    static asio::awaitable<void> request_cancel(asio::any_io_executor executor,
                                                std::shared_ptr<cancel_request> request);
    static asio::awaitable<void> cancel_until_over(pointer other, std::shared_ptr<cancel_request> request);
    void expire() noexcept;

    // stream.cpp
    void arm_step();
    asio::awaitable<pq::result> wait_result();
    asio::awaitable<void> finish_stream(operation& op);
    void check_copying(operation const& op);
    [[nodiscard]] bool has_ended(operation const& op) const;

    // connection_core.cpp
    asio::awaitable<void> start(operation& op, params const& values);
    asio::awaitable<pq::result> exchange();
    asio::awaitable<void> read_more(pq::result const* failed = nullptr);
    asio::awaitable<void> flush();
    asio::awaitable<void> wait(asio::posix::stream_descriptor::wait_type what);
    asio::awaitable<void> wait_either();
    void start_waits(std::shared_ptr<readiness> const& ready, bool unsent);
    void wrap();
    void unwrap() noexcept;
    bool consume();
    void deliver_notifies();
    void deliver_notices();
    void hear_last_words(pq::result const& failed);
    void arm(std::chrono::milliseconds timeout);
    void disarm() noexcept;
    void check(pq::result const& result);
    void check_sendable(params const& values) const;
    void log(level at, std::string_view line) const noexcept;
    [[nodiscard]] std::string line(std::string_view why, sqlstate const& state) const;
    void check_alive() const;
    void check_open() const;
    void check_going() const;
    [[nodiscard]] error gone() const;
    [[nodiscard]] error no_transaction(std::string_view why) const;
    [[noreturn]] void lose();
    [[noreturn]] void cancelled();

    asio::any_io_executor executor_;
    config settings_{};
    std::string description_{};
    pq::conn conn_{};
    std::optional<asio::posix::stream_descriptor> socket_{};
    std::shared_ptr<signal> wake_;  // shared with the resolver's handler
    asio::steady_timer deadline_;
    std::uint64_t deadline_number_ = 0;  // tells a deadline that fired from one that was disarmed
    std::uint64_t armed_number_ = 0;     // number of the deadline that is set
    std::chrono::milliseconds timeout_{0};
    notify_sink sink_{};
    std::optional<errc> shut_for_{errc::closed};  // nothing: the connection is alive
    std::uint64_t closes_ = 0;
    bool open_ = false;
    bool busy_ = false;
    bool receiving_ = false;
    bool interrupted_ = false;
    bool arrived_ = false;        // during wait_pipeline()
    std::size_t unflushed_ = 0;   // of a copy
    bool expired_ = false;        // the deadline of the operation has passed
    bool recovering_ = false;     // recover() owns the connection
    bool in_the_middle_ = false;  // the last operation was left in the middle of a statement
    bool rollback_ = false;       // recover() also ends the transaction
    signal recovered_;
    transaction_number transaction_{};      // the current transaction with a number
    std::uint64_t transactions_begun_ = 0;  // transactions with a number
    std::uint64_t transactions_left_ = 0;
    std::shared_ptr<cancel_request> cancel_{};  // since the last one was absorbed
    pq::options address_{};                     // the server's address, for a second connection to it
    std::shared_ptr<readiness> ready_{};        // in pipeline mode only; shared with the pending waits
    char const* action_ = "";                   // of the operation in progress
    std::string statement_{};                   // of the operation in progress
    diagnostics last_words_{};                  // the message with which the server ended the connection
};

/// The one operation in progress. The constructor throws busy if there is another one.
class connection_core::operation {
public:
    operation(pointer core, char const* action, std::string statement);
    ~operation() { release(); }
    operation(operation const&) = delete;
    operation& operator=(operation const&) = delete;

    /// Call it before something is sent.
    void started() noexcept { state_ = state::started; }
    /// Call it when the protocol is at rest: the connection is usable.
    void finish() noexcept { state_ = state::finished; }
    [[nodiscard]] bool is_finished() const noexcept { return state_ == state::finished; }

    /// Releases the connection. If it is in the middle of a statement, it recovers first.
    void release() noexcept;
    /// Disarms the deadline while nothing is awaited.
    void pause() noexcept
    {
        if (!released_) core_->disarm();
    }
    [[nodiscard]] bool is_released() const noexcept { return released_; }

    [[nodiscard]] connection_core& core() const noexcept { return *core_; }

private:
    enum class state { fresh, started, finished };
    pointer core_;
    state state_ = state::fresh;
    bool released_ = false;
};

/// A request to cancel a statement.
struct connection_core::cancel_request {
    explicit cancel_request(asio::any_io_executor executor) : wake(std::move(executor)) {}

    void end() noexcept
    {
        over = true;
        wake.notify();
    }

    pq::options address{};
    std::chrono::milliseconds timeout{0};
    std::int32_t backend = 0;
    std::weak_ptr<connection_core> of{};
    bool over = false;      // the statement has ended
    bool answered = false;  // no request is on its way to the server, unless `doubtful` is true
    bool doubtful = false;  // a request was sent, and its answer did not arrive
    signal wake;
};

/// The pending waits of a pipeline. They outlast wait_pipeline(): a nudge does not end them.
struct connection_core::readiness {
    bool awaits_read = false;
    bool readable = false;
    bool awaits_write = false;
    bool writable = false;
    bool nudged = false;
    waiter waiting{};  // each wait that ends resumes it
};

}  // namespace pgtally::db::detail
