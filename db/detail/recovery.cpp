// How a connection recovers after an operation that was left in the middle of a statement.
//
// Recovery asks the server to stop (before libpq 17 over a second connection) and drops what it still sends. Then
// a round trip proves that a late cancellation cannot hit another statement: pg_cancel_backend() answers after it
// has sent the signal, so the signal arrives before the empty statement that is sent next.

#include <pgtally/db/detail/connection_core.hpp>

#include <boost/asio/co_spawn.hpp>

#include <exception>
#include <utility>

namespace pgtally::db::detail {

// The limit for rolling back a transaction on a connection with recovery_timeout 0.
constexpr std::chrono::milliseconds rollback_timeout{5'000};

// Called before an operation sends anything. If it throws, nothing was sent.
asio::awaitable<void> connection_core::ready()
{
    auto const left = transactions_left_;
    while (recovering_) {
        bool stopped = false;
        try {
            co_await recovered_.wait();
        } catch (error const&) {
            stopped = true;
        }
        check_open();
        if (expired_) throw gone();
        if (stopped) cancelled();
    }
    check_open();
    if (left == transactions_left_) co_return;
    throw no_transaction("it was rolled back while the statement waited");
}

asio::awaitable<void> connection_core::settled(pointer self)
{
    if (!self->recovering_) co_return;
    operation op(self, "wait for", std::string());
    try {
        co_await self->ready();
    } catch (error const& thrown) {
        if (thrown.code() == asio::error::operation_aborted) throw;
    }
}

// Called when an operation ends in the middle of a statement.
void connection_core::leave() noexcept
{
    if (shut_for_) return;
    auto const late = std::exchange(expired_, false);
    auto const curable = open_ && !ready_ && !conn_.bad() && settings_.recovery_timeout.count() > 0;
    if (!curable) return shut(late ? errc::timed_out : errc::closed);
    in_the_middle_ = true;
    begin_recovery();
}

void connection_core::begin_recovery() noexcept
{
    if (recovering_ || shut_for_) return;
    recovering_ = true;
    try {
        auto ignore = [](std::exception_ptr) {};  // recover() handles all exceptions
        asio::co_spawn(executor_, recover(shared_from_this()), std::move(ignore));
    } catch (...) {
        recovering_ = false;
        shut(errc::closed);
    }
}

asio::awaitable<void> connection_core::recover(pointer self)
{
    struct end {
        connection_core& of;
        bool at_rest = false;
        ~end()
        {
            if (!at_rest) of.shut(errc::connection_lost);
            of.recovering_ = false;
            of.recovered_.notify();
        }
    } at_end{*self};
    auto const alive = std::make_shared<bool>(true);
    auto const patience = self->settings_.recovery_timeout;
    asio::steady_timer limit(self->executor_, patience.count() > 0 ? patience : rollback_timeout);
    limit.async_wait([core = self.get(), weak = std::weak_ptr<bool>(alive)](error_code ec) {
        if (!ec && !weak.expired()) core->shut(errc::timed_out);
    });
    std::string failure;
    try {
        co_await self->come_to_rest();
        at_end.at_rest = true;
    } catch (std::exception const& thrown) {
        failure = thrown.what();
    }
    if (at_end.at_rest || self->shut_for_ == errc::closed) co_return;
    self->log(level::warn, self->description_ + ": closed: " + failure);
}

asio::awaitable<void> connection_core::come_to_rest()
{
    check_alive();
    while (in_the_middle_ || cancel_ || rollback_) {
        if (std::exchange(in_the_middle_, false)) co_await drain();
        if (cancel_) co_await absorb_cancel();
        if (rollback_ && conn_.in_transaction()) {
            if (!conn_.send_query("rollback")) lose();
            co_await exchange();
            if (conn_.in_transaction()) {
                last_words_.primary = "the transaction cannot be rolled back";
                lose();
            }
        }
        rollback_ = false;
    }
}

// Reads and drops everything that belongs to the statement. It cancels the statement if it has to wait, but not
// after it has told the server that the COPY data failed: a COPY that was sent as an extended query, and is
// cancelled before it has read the first Sync, also answers that Sync, and libpq would take the answer for the
// end of the next statement.
asio::awaitable<void> connection_core::drain()
{
    co_await flush();
    bool told = false;
    for (;;) {
        while (conn_.is_busy()) {
            if (!told) ask_to_cancel();
            co_await read_more();
        }
        auto const result = conn_.get_result();
        deliver_notifies();
        if (!result) break;
        if (result.state() == pq::status::copy_out) co_await skip_copy();
        if (result.state() != pq::status::copy_in) continue;
        told = true;
        if (!conn_.end_copy("given up by the client")) lose();
        co_await flush();
    }
    deliver_notices();
    check_alive();
    if (told) co_await prove_in_step();
}

// An empty statement always has an answer, if only an error. A COPY that was sent as an extended query may also
// fail before it has read the first Sync (a statement trigger, a timeout). Then one surplus answer is on its way,
// and this empty statement, not a caller's, appears to have no result.
asio::awaitable<void> connection_core::prove_in_step()
{
    if (!conn_.send_query("")) lose();
    auto const answer = co_await exchange();
    if (answer) co_return;
    last_words_.primary = "the server's answers are out of step";
    lose();
}

asio::awaitable<void> connection_core::skip_copy()
{
    std::string dropped;
    for (;;) {
        auto const got = conn_.get_copy(dropped);
        dropped.clear();
        if (got == pq::copied::end) co_return;
        if (got == pq::copied::row) continue;
        ask_to_cancel();
        co_await read_more();
    }
}

asio::awaitable<void> connection_core::absorb_cancel()
{
    auto const request = cancel_;
    request->end();
    while (!request->answered) {
        co_await wake_->wait();
        check_alive();
    }
    if (request->doubtful) {
        last_words_.primary = "a cancellation may still arrive";
        lose();
    }
    co_await prove_in_step();  // with an error, if the cancellation came late
    cancel_.reset();
}

// Recovery cancels by itself, and its own statements must not be cancelled.
void connection_core::cancel() noexcept
{
    if (!recovering_) ask_to_cancel();
}

void connection_core::ask_to_cancel() noexcept
{
    if (!open_ || ready_ || cancel_ || !conn_.is_active()) return;
    if (settings_.recovery_timeout.count() <= 0) return shut(errc::closed);
    try {
        cancel_ = std::make_shared<cancel_request>(executor_);
        cancel_->address = address_;
        cancel_->timeout = settings_.recovery_timeout;
        cancel_->backend = conn_.backend_pid();
        cancel_->of = weak_from_this();
        auto ignore = [](std::exception_ptr) {};  // request_cancel() handles all exceptions
        asio::co_spawn(executor_, request_cancel(executor_, cancel_), std::move(ignore));
    } catch (...) {
        cancel_.reset();
    }
}

asio::awaitable<void> connection_core::request_cancel(asio::any_io_executor executor,
                                                      std::shared_ptr<cancel_request> request)
{
    auto const other = std::make_shared<connection_core>(std::move(executor));
    other->settings_.connect_timeout = request->timeout;
    other->timeout_ = request->timeout;
    other->description_ = "the server to cancel a statement";
    other->action_ = "connect to";
    std::string failure;
    try {
        co_await other->attempt(request->address);
        co_await cancel_until_over(other, request);
    } catch (error const& thrown) {
        failure = thrown.what();
        if (thrown.code() == errc::server_error) request->doubtful = false;  // an error is also an answer
    } catch (std::exception const& thrown) {
        failure = thrown.what();
    }
    other->shut(errc::closed);
    request->answered = true;
    auto const of = request->of.lock();
    // If the connection was shut meanwhile, it may wait for another request.
    if (!of || of->cancel_ != request) co_return;
    of->wake_->notify();
    if (!failure.empty()) of->log(level::warn, of->description_ + ": cannot cancel a statement: " + failure);
}

// Repeats the request, because a server that has not started the statement ignores it.
asio::awaitable<void> connection_core::cancel_until_over(pointer other, std::shared_ptr<cancel_request> request)
{
    using clock = std::chrono::steady_clock;
    auto const until = clock::now() + request->timeout;
    for (std::chrono::milliseconds pause{10}; !request->over && clock::now() < until; pause *= 2) {
        auto backend = params(std::in_place, request->backend);
        request->doubtful = true;  // until its answer has arrived
        co_await query(other, std::string("select pg_cancel_backend($1)"), std::move(backend), false);
        request->doubtful = false;
        if (!request->over) co_await request->wake.wait_until(clock::now() + pause);
    }
}

void connection_core::leave_transaction() noexcept
{
    if (!open_ || shut_for_ || ready_) return;
    transaction_ = transaction_number{};
    auto const idle = !busy_ && !recovering_;
    if (idle && !conn_.in_transaction()) return;
    rollback_ = true;
    ++transactions_left_;
    if (idle) begin_recovery();
}

// Called when the deadline of the operation in progress passes.
void connection_core::expire() noexcept
{
    auto const curable = open_ && !ready_ && settings_.recovery_timeout.count() > 0;
    if (!curable) return shut(errc::timed_out);
    expired_ = true;
    if (recovering_) return recovered_.notify();
    error_code ec;
    if (socket_) socket_->cancel(ec);
    wake_->notify();
}

bool connection_core::is_idle() const noexcept
{
    return is_open() && !busy_ && !recovering_ && !conn_.in_transaction();
}

}  // namespace pgtally::db::detail
