// What a connection_core does for a session: it waits for both directions and for callers at once.

#include <pgtally/db/detail/connection_core.hpp>

#include <boost/asio/error.hpp>

namespace pgtally::db::detail {

using wait_type = asio::posix::stream_descriptor::wait_type;

void connection_core::start_pipeline()
{
    check_alive();
    action_ = "session on";
    statement_.clear();
    if (!conn_.enter_pipeline()) lose();
    ready_ = std::make_shared<readiness>();
}

asio::awaitable<bool> connection_core::turn(pointer self, bool unsent)
{
    operation op(self, "session on", std::string());
    self->check_alive();
    op.started();
    self->deliver_notices();  // what came between the results
    self->check_alive();      // the log hook may have closed
    co_await self->wait_turn(unsent);
    auto& ready = *self->ready_;
    auto alive = true;
    if (std::exchange(ready.readable, false)) alive = self->consume();
    if (ready.writable) {
        // Ends the write interest that epoll would keep waking us for.
        self->unwrap();
        self->wrap();
        self->ready_ = std::make_shared<readiness>();
    }
    self->deliver_notices();
    self->check_alive();
    op.finish();
    co_return alive;
}

asio::awaitable<void> connection_core::wait_turn(bool unsent)
{
    if (conn_.socket() < 0) lose_pipeline(pq::result());
    auto& ready = *ready_;
    if (!ready.awaits_read && !ready.readable) {
        ready.awaits_read = true;
        auto handler = [shared = ready_, wake = wake_](error_code ec) {
            shared->awaits_read = false;
            shared->readable = true;  // whatever it is, reading will say
            if (ec != asio::error::operation_aborted) wake->notify();
        };
        socket_->async_wait(wait_type::wait_read, std::move(handler));
    }
    if (unsent && !ready.awaits_write) {
        ready.awaits_write = true;
        auto handler = [shared = ready_, wake = wake_](error_code ec) {
            shared->awaits_write = false;
            shared->writable = true;
            if (ec != asio::error::operation_aborted) wake->notify();
        };
        socket_->async_wait(wait_type::wait_write, std::move(handler));
    }
    bool stopped = false;
    try {
        co_await wake_->wait();
    } catch (error const&) {
        stopped = true;
    }
    check_alive();
    if (stopped) cancelled();
}

void connection_core::nudge() noexcept
{
    if (ready_) wake_->notify();
}

// In a pipeline the first failed result may be some statement's own: only 57P01 and its like (an
// operator or a crash ended the connection) speak of the connection.
void connection_core::lose_pipeline(pq::result const& failed)
{
    check_alive();
    action_ = "session on";
    statement_.clear();
    if (failed && failed.said().state.view().starts_with("57P")) last_words_ = failed.said();
    else hear_last_words(pq::result());
    lose();
}

}  // namespace pgtally::db::detail
