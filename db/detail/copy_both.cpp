// What a replication connection adds: commands as simple queries, and a COPY in both directions.

#include <pgtally/db/detail/connection_core.hpp>

#include <utility>

namespace pgtally::db::detail {

using wait_type = asio::posix::stream_descriptor::wait_type;

asio::awaitable<result_set> connection_core::command(pointer self, std::string text)
{
    operation op(self, "replication on", std::move(text));
    auto const none = params();
    co_await self->start(op, none);
    auto result = co_await self->run_script();
    op.finish();
    self->check(result);
    co_return result_set(std::move(result));
}

pq::copied connection_core::next_message(operation& op, pq::copy_message& into) noexcept
{
    auto& core = op.core();
    // A connection that was shut meanwhile has no messages; the next wait says why.
    return core.shut_for_ ? pq::copied::wait : core.conn_.get_copy(into);
}

asio::awaitable<void> connection_core::wait_message(operation& op)
{
    auto& core = op.core();
    core.check_going();
    if (!core.interrupted_) {
        core.receiving_ = true;
        co_await core.wait(wait_type::wait_read);
        core.receiving_ = false;
    }
    core.interrupted_ = false;
    auto const alive = core.consume();
    core.deliver_notices();
    core.check_alive();
    if (alive) co_return;
    auto const none = pq::result();
    core.hear_last_words(none);
    core.lose();
}

asio::awaitable<void> connection_core::send_message(operation& op, std::string_view data)
{
    auto& core = op.core();
    core.check_going();
    core.arm(core.timeout_);
    if (!core.conn_.put_copy(data)) core.lose();
    co_await core.flush();
    core.check_going();
    core.disarm();
}

asio::awaitable<void> connection_core::end_messages(operation& op)
{
    auto& core = op.core();
    auto const result = co_await core.wait_result();
    core.deliver_notices();
    core.check_alive();
    core.hear_last_words(result);
    if (core.last_words_.primary.empty()) core.last_words_.primary = "the server has ended the stream";
    core.lose();
}

}  // namespace pgtally::db::detail
