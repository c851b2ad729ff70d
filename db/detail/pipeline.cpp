// The part of connection_core for sessions: waits for both directions and for callers at once.

#include <pgtally/db/detail/connection_core.hpp>

#include <boost/asio/error.hpp>

namespace pgtally::db::detail {

using wait_type = asio::posix::stream_descriptor::wait_type;

/// The handler of a read wait. If Asio destroys it along with its io_context, it destroys the waiting coroutine,
/// which nothing else would destroy.
struct connection_core::read_ready {
    explicit read_ready(std::shared_ptr<readiness> given) noexcept : of(std::move(given)) {}
    read_ready(read_ready&&) noexcept = default;
    read_ready& operator=(read_ready&&) = delete;
    ~read_ready()
    {
        if (of) of->waiting.drop();
    }

    void operator()(error_code ec)
    {
        auto const ready = std::move(of);
        ready->awaits_read = false;
        ready->readable = true;  // whatever the error is, reading reports it
        if (ec != asio::error::operation_aborted) ready->waiting.now();
    }

    std::shared_ptr<readiness> of;
};

void connection_core::start_pipeline()
{
    check_alive();
    action_ = "session on";
    statement_.clear();
    if (!conn_.enter_pipeline()) lose();
    ready_ = std::make_shared<readiness>();
}

asio::awaitable<bool> connection_core::wait_pipeline(pointer self, bool unsent)
{
    operation op(self, "session on", std::string());
    self->check_alive();
    op.started();
    auto const ready = self->ready_;
    self->start_waits(ready, unsent);
    auto const due = ready->readable || ready->writable || ready->nudged;
    if (!due) co_await ready->waiting.wait();
    ready->nudged = false;
    self->check_alive();
    if (!due && ready->waiting.cancelled()) self->cancelled();
    auto alive = true;
    if (std::exchange(ready->readable, false)) {
        alive = self->consume();
        self->arrived_ = true;
    }
    if (ready->writable) {
        // Ends the write interest for which epoll would keep waking us.
        self->unwrap();
        self->wrap();
        self->ready_ = std::make_shared<readiness>();
    }
    self->deliver_notices();
    self->check_alive();
    op.finish();
    co_return alive;
}

// A plain function: a coroutine would cost one more frame for each wait.
void connection_core::start_waits(std::shared_ptr<readiness> const& ready, bool unsent)
{
    if (conn_.socket() < 0) lose_pipeline(pq::result());
    if (!ready->awaits_read && !ready->readable) {
        ready->awaits_read = true;
        socket_->async_wait(wait_type::wait_read, read_ready(ready));
    }
    if (unsent && !ready->awaits_write) {
        ready->awaits_write = true;
        auto handler = [ready](error_code ec) {
            ready->awaits_write = false;
            ready->writable = true;
            if (ec != asio::error::operation_aborted) ready->waiting.now();
        };
        socket_->async_wait(wait_type::wait_write, std::move(handler));
    }
}

void connection_core::log_notices()
{
    deliver_notices();
    check_alive();  // the log hook may have closed the connection
}

void connection_core::nudge() noexcept
{
    if (!ready_) return;
    ready_->nudged = true;
    ready_->waiting.soon();
}

// In a pipeline the first failed result may belong to a statement. Only class 57P (57P01: an operator or a crash
// ended the connection) concerns the connection.
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
