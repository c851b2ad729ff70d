// A wal_stream while it streams: reads, queues, and answers the server.

#include <pgtally/db/detail/wal_stream_impl.hpp>

#include <utility>
#include <variant>

namespace pgtally::db::detail {

asio::awaitable<void> wal_stream_impl::follow(connection_core::operation& op)
{
    for (;;) {
        auto const more = read_all(op);
        if (!more) co_await connection_core::end_messages(op);
        auto const sent = co_await answer(op);
        if (!sent) co_await connection_core::wait_message(op);  // what arrived while it sent must be taken first
    }
}

// Takes what has arrived. Returns false at the end of the stream.
bool wal_stream_impl::read_all(connection_core::operation& op)
{
    pq::copy_message message;
    bool any = false;
    auto got = connection_core::next_message(op, message);
    for (; got == pq::copied::row; got = connection_core::next_message(op, message)) {
        any = true;
        take(decoder_.decode(message.bytes()));
    }
    if (any) status_.arrived(clock::now());
    return got != pq::copied::end;
}

void wal_stream_impl::take(pgoutput::decoded const& message)
{
    if (auto const* wrong = std::get_if<pgoutput::malformed>(&message)) throw failure(errc::bad_result, wrong->what);
    if (auto const* one = std::get_if<pgoutput::message>(&message); one != nullptr && one->prefix == options_.prefix) {
        ++counters_.messages;
        counters_.message_bytes += one->content.size();
        if (!queue_.add(one->content)) ++counters_.incomplete;
    } else if (std::holds_alternative<pgoutput::begin>(message)) {
        queue_.begin();
    } else if (auto const* end = std::get_if<pgoutput::commit>(&message)) {
        take(*end);
    } else if (auto const* alive = std::get_if<pgoutput::keepalive>(&message)) {
        position_.passed(alive->end);
        if (alive->asks) status_.server_asks();
    } else {
        ++counters_.skipped;
    }
}

void wal_stream_impl::take(pgoutput::commit const& end)
{
    using pushed = wal_queue::pushed;
    auto const was_empty = queue_.empty();
    auto const what = queue_.commit(end.xid, end.commit_record, end.end, end.at);
    position_.passed(end.end);
    if (what == pushed::nothing) return;
    ++counters_.transactions;
    if (was_empty) arrived_.notify();
    if (what == pushed::queued) return;
    ++counters_.overflows;
    log(level::warn, core_->description() + ": too many transactions are queued; load again");
}

// Sends a status if one is due. If none is, sets the alarm for the next one.
asio::awaitable<bool> wal_stream_impl::answer(connection_core::operation& op)
{
    using step = wal_status::step;
    auto const now = clock::now();
    auto const where = position_now();
    auto const next = status_.now(now, where != position_.reported());
    if (next == step::lost) throw failure(errc::timed_out, "the server does not answer");
    if (next == step::wait) {
        interrupt_at(status_.next());
        co_return false;
    }
    auto const asks = next == step::send_and_ask;
    ++counters_.statuses;
    if (asks) ++counters_.keepalives;
    status_.sent(now, asks);
    position_.report(where);
    auto const wall = std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
    auto const bytes = pgoutput::status_update(where, wall, asks);
    co_await connection_core::send_message(op, bytes);
    co_return true;
}

lsn wal_stream_impl::position_now() const noexcept
{
    auto const unsettled = decoder_.in_transaction() || queue_.pending() > 0;
    return position_.now(unsettled, queue_.fetched());
}

void wal_stream_impl::confirm(lsn end)
{
    position_.confirm(end, queue_.fetched());
    if (status_.is_asked()) core_->interrupt();
}

// One timer that is set again only if it has fired or is too late: cheaper than setting it for every arrival.
void wal_stream_impl::interrupt_at(clock::time_point when)
{
    if (alarm_at_ && *alarm_at_ <= when) return;
    alarm_at_ = when;
    alarm_.expires_at(when);
    auto handler = [weak = weak_from_this(), when](error_code ec) {
        auto const self = weak.lock();
        if (ec || !self || self->alarm_at_ != when) return;
        self->alarm_at_.reset();
        self->core_->interrupt();
    };
    alarm_.async_wait(std::move(handler));
}

error wal_stream_impl::failure(errc code, std::string_view why) const
{
    diagnostics said;
    said.primary = why;
    auto text = failure_line("stream from " + core_->description(), why, said.state);
    return error(code, std::move(text), std::move(said));
}

}  // namespace pgtally::db::detail
