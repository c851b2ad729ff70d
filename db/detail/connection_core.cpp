#include <pgtally/db/detail/connection_core.hpp>
#include <pgtally/db/detail/log.hpp>

#include <boost/asio/error.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <exception>
#include <utility>

namespace pgtally::db::detail {

using wait_type = asio::posix::stream_descriptor::wait_type;

connection_core::operation::operation(pointer core, char const* action, std::string statement) : core_(std::move(core))
{
    if (core_->busy_) {
        throw error(errc::busy,
                    std::string(action) + " " + core_->description_ + " refused: another operation is under way");
    }
    core_->busy_ = true;
    core_->expired_ = false;
    core_->action_ = action;
    core_->statement_ = std::move(statement);
}

void connection_core::operation::release() noexcept
{
    if (std::exchange(released_, true)) return;
    core_->disarm();
    core_->busy_ = false;
    core_->receiving_ = false;
    if (state_ == state::started) core_->leave();
    else if (core_->cancel_ || core_->rollback_) core_->begin_recovery();
}

connection_core::connection_core(asio::any_io_executor executor)
    : executor_(executor)
    , wake_(std::make_shared<signal>(executor))
    , deadline_(executor)
    , recovered_(std::move(executor))
{
}

asio::awaitable<result_set> connection_core::query(pointer self, std::string sql, params values, bool binary)
{
    operation op(self, "query on", std::move(sql));
    co_await self->start(op, values);
    if (!self->conn_.send_query(self->statement_, values, binary)) self->lose();
    auto result = co_await self->exchange();
    op.finish();
    self->check(result);
    co_return result_set(std::move(result));
}

asio::awaitable<void> connection_core::script(pointer self, std::string sql)
{
    operation op(self, "script on", std::move(sql));
    auto const none = params();
    co_await self->start(op, none);
    auto const result = co_await self->run_script();
    op.finish();
    self->check(result);
}

// Starts the deadline of the operation. When it returns, the statement can be sent.
asio::awaitable<void> connection_core::start(operation& op, params const& values)
{
    check_sendable(values);
    arm(timeout_);
    co_await ready();
    op.started();
}

asio::awaitable<bool> connection_core::receive(pointer self)
{
    operation op(self, "receive from", std::string());
    self->check_alive();
    op.started();
    if (!self->interrupted_) {
        self->receiving_ = true;
        co_await self->wait(wait_type::wait_read);
        self->receiving_ = false;
    }
    if (std::exchange(self->interrupted_, false)) {
        op.finish();
        co_return false;
    }
    auto const alive = self->consume();
    self->deliver_notices();
    self->check_alive();
    if (!alive) self->lose();
    op.finish();
    co_return true;
}

void connection_core::interrupt() noexcept
{
    interrupted_ = true;
    error_code ec;
    if (receiving_ && socket_) socket_->cancel(ec);
}

// libpq's canonical loop: send everything, read until PQisBusy is false, take results until there are none.
// Returns the first failed result, or else the last one; everything has been read by then.
asio::awaitable<pq::result> connection_core::exchange()
{
    co_await flush();
    pq::result last;
    pq::result failed;
    for (;;) {
        while (conn_.is_busy()) {
            co_await read_more(&failed);
        }
        auto result = conn_.get_result();
        deliver_notifies();  // a notification may arrive between two results, with no byte after it
        if (!result) break;
        if (pq::is_copy(result.state())) {
            if (cancel_) shut(errc::closed);  // see drain()
            throw error(errc::bad_result, line("COPY is not allowed in this call", sqlstate()));
        }
        if (result.state() != pq::status::failed) last = std::move(result);
        else if (!failed) failed = std::move(result);
    }
    deliver_notices();
    check_alive();
    if (conn_.bad()) {
        hear_last_words(failed);
        lose();
    }
    last_words_ = diagnostics();  // the connection is alive, so no message was its last
    co_return failed ? std::move(failed) : std::move(last);
}

// If the peer is gone, an earlier failed result of the statement may hold the reason.
asio::awaitable<void> connection_core::read_more(pq::result const* failed)
{
    co_await wait(wait_type::wait_read);
    if (consume()) co_return;
    auto const none = pq::result();
    hear_last_words(failed == nullptr ? none : *failed);
    lose();
}

// While data is left to send, the server may itself be blocked sending to us, and it reads nothing until we have
// read. So both directions are watched (libpq manual, PQflush).
asio::awaitable<void> connection_core::flush()
{
    while (conn_.flush() == pq::flushed::some) {
        co_await wait_either();
        if (!consume()) break;  // reading reports the reason
    }
}

asio::awaitable<void> connection_core::wait(wait_type what)
{
    if (conn_.socket() < 0) lose();  // libpq closes it when the peer is gone
    error_code ec;
    co_await socket_->async_wait(what, asio::redirect_error(asio::use_awaitable, ec));
    check_going();
    if (ec == asio::error::operation_aborted && !(receiving_ && interrupted_)) cancelled();
}

asio::awaitable<void> connection_core::wait_either()
{
    if (conn_.socket() < 0) lose();
    wake_->clear();
    auto const done = std::make_shared<bool>(false);
    auto const handler = [done, wake = wake_](error_code ec) {
        if (!ec && !*done) wake->notify();
    };
    socket_->async_wait(wait_type::wait_read, handler);
    socket_->async_wait(wait_type::wait_write, handler);
    bool stopped = false;
    try {
        co_await wake_->wait();
    } catch (error const&) {
        stopped = true;
    }
    *done = true;  // the other wait may have completed; it is too late to cancel it
    check_alive();
    // Ends the other wait, and the write interest for which epoll would keep waking us.
    unwrap();
    wrap();
    check_going();
    if (stopped) cancelled();
}

void connection_core::wrap()
{
    error_code ec;
    socket_.emplace(executor_);
    socket_->assign(conn_.socket(), ec);
    if (!ec) return;
    shut(errc::connection_lost);
    throw error(errc::connection_lost, line("cannot watch its socket: " + ec.message(), sqlstate()));
}

void connection_core::unwrap() noexcept
{
    if (!socket_) return;
    socket_->release();  // libpq closes the descriptor; waits end with operation_aborted
    socket_.reset();
}

bool connection_core::consume()
{
    auto const alive = conn_.consume_input();
    deliver_notifies();
    return alive;
}

void connection_core::deliver_notifies()
{
    while (auto const notify = conn_.next_notify()) {
        if (sink_) sink_(notify);
    }
}

void connection_core::deliver_notices()
{
    while (conn_) {  // the log hook may close the connection
        auto notice = conn_.next_notice();
        if (!notice) return;
        auto const& severity = notice->severity;
        auto at = level::info;
        if (severity == "WARNING" || severity == "FATAL" || severity == "PANIC") at = level::warn;
        if (severity == "LOG" || severity == "DEBUG") at = level::debug;
        log(at, description_ + ": " + severity + ": " + notice->said.primary);
        // An immediate shutdown only announces itself with a WARNING (57P01).
        if (severity == "FATAL" || severity == "PANIC" || notice->said.state.in_class("57"))
            last_words_ = std::move(notice->said);
    }
}

// A server that ends a connection sends a message, then closes. That message is the better reason.
void connection_core::hear_last_words(pq::result const& failed)
{
    if (failed && !failed.said().state.empty()) {
        last_words_ = failed.said();
        return;
    }
    constexpr int enough = 8;
    for (int i = 0; i < enough && conn_.bad(); ++i) {
        auto const result = conn_.get_result();
        if (!result) break;
        if (result.state() != pq::status::failed) continue;
        auto said = result.said();
        if (!said.state.empty() || last_words_.state.empty()) last_words_ = std::move(said);
    }
}

void connection_core::shut(errc why) noexcept
{
    if (why == errc::closed) ++closes_;
    if (shut_for_) return;
    shut_for_ = why;
    open_ = false;
    in_the_middle_ = rollback_ = false;
    transaction_ = transaction_number{};
    if (cancel_) std::exchange(cancel_, nullptr)->end();
    if (auto const ready = std::move(ready_)) ready->waiting.soon();
    disarm();
    unwrap();  // before PQfinish, which closes the descriptor
    auto const ended = std::move(conn_);
    wake_->notify();
    recovered_.notify();
}

void connection_core::arm(std::chrono::milliseconds timeout)
{
    disarm();
    armed_number_ = deadline_number_;
    if (timeout.count() <= 0) return;
    deadline_.expires_after(timeout);
    auto handler = [weak = weak_from_this(), number = deadline_number_](error_code ec) {
        auto const self = weak.lock();
        if (!ec && self && self->deadline_number_ == number) self->expire();
    };
    deadline_.async_wait(std::move(handler));
}

void connection_core::disarm() noexcept
{
    ++deadline_number_;
    detail::cancel(deadline_);
}

// Throws if the result failed.
void connection_core::check(pq::result const& result)
{
    if (result.state() != pq::status::failed) return;
    auto said = result.said();
    said.statement = std::move(statement_);
    auto text = line(said.primary, said.state);
    throw error(errc::server_error, std::move(text), std::move(said));
}

void connection_core::check_sendable(params const& values) const
{
    check_open();
    auto const unsendable = why_not_sendable(statement_, values);
    if (!unsendable.empty()) throw error(errc::bad_parameter, line(unsendable, sqlstate()));
}

std::string connection_core::why_not_sendable(std::string_view sql, params const& values)
{
    if (sql.find('\0') != std::string_view::npos) return "the statement holds a NUL character";
    return values.problem();
}

void connection_core::log(level at, std::string_view text) const noexcept
{
    detail::log(settings_, at, text);
}

std::string connection_core::line(std::string_view why, sqlstate const& state) const
{
    return failure_line(std::string(action_) + " " + description_, why, state);
}

void connection_core::check_alive() const
{
    if (shut_for_) throw gone();
}

// Called before anything is sent: the operation did not cause the end of the connection.
void connection_core::check_open() const
{
    if (!shut_for_) return;
    diagnostics said;
    said.statement = statement_;
    throw error(errc::closed, line(make_error_code(errc::closed).message(), sqlstate()), std::move(said));
}

void connection_core::check_going() const
{
    check_alive();
    if (expired_ && !recovering_) throw gone();
}

error connection_core::gone() const
{
    diagnostics said;
    said.statement = statement_;
    auto const why = shut_for_.value_or(errc::timed_out);
    return error(why, line(make_error_code(why).message(), sqlstate()), std::move(said));
}

error connection_core::no_transaction(std::string_view why) const
{
    diagnostics said;
    said.state = sqlstate("25P01");
    said.primary.append("the transaction has ended: ").append(why);
    said.statement = statement_;
    auto text = line(said.primary, said.state);
    return error(errc::server_error, std::move(text), std::move(said));
}

void connection_core::lose()
{
    deliver_notices();
    check_alive();
    auto said = std::move(last_words_);
    last_words_ = diagnostics();
    if (said.primary.empty()) said.primary = conn_.message();
    if (said.primary.empty()) said.primary = "the connection is lost";
    said.statement = statement_;
    shut(errc::connection_lost);
    auto text = line(said.primary, said.state);
    throw error(errc::connection_lost, std::move(text), std::move(said));
}

void connection_core::cancelled()
{
    throw error(asio::error::operation_aborted, line("cancelled", sqlstate()));
}

}  // namespace pgtally::db::detail
