#include <pgtally/db/detail/connection_core.hpp>
#include <pgtally/db/detail/stream.hpp>

#include <algorithm>
#include <utility>

namespace pgtally::db::detail {
namespace {

// The bytes that a read collects before it returns, and that a write leaves in libpq's buffer before it flushes.
constexpr std::size_t chunk_bytes = std::size_t{64} * 1024;

// The bytes per PQputCopyData, whose length is an int.
constexpr std::size_t piece_bytes = std::size_t{1024} * 1024;

}  // namespace

class stream {
public:
    stream(connection_core::pointer core, char const* action, std::string sql)
        : op(std::move(core), action, std::move(sql))
    {
    }

    connection_core::operation op;
    std::string chunk{};
    result_set end{};
    bool stepping = false;
};

namespace {

// One step at a time. Its deadline is set when there is something to wait for.
class step {
public:
    explicit step(stream_ptr of) : of_(std::move(of))
    {
        if (of_->stepping) throw error(errc::busy, "a stream refused: another operation is under way on it");
        of_->stepping = true;
    }
    step(step const&) = delete;
    step& operator=(step const&) = delete;
    ~step()
    {
        of_->stepping = false;
        if (done_) of_->op.pause();
        else of_->op.release();
    }

    void done() noexcept { done_ = true; }

private:
    stream_ptr of_;
    bool done_ = false;
};

}  // namespace

asio::any_io_executor executor_of(stream const& of) noexcept
{
    return of.op.core().executor();
}

asio::awaitable<stream_ptr> open_rows(connection_core::pointer core, std::string sql, params values)
{
    auto const made = std::make_shared<stream>(std::move(core), "query on", std::move(sql));
    step now(made);
    co_await connection_core::begin_rows(made->op, std::move(values));
    now.done();
    co_return made;
}

asio::awaitable<std::optional<result_set>> next_row(stream_ptr of)
{
    step now(of);
    auto row = co_await connection_core::next_row(of->op);
    now.done();
    if (!row) co_return std::nullopt;
    co_return result_set(std::move(row));
}

asio::awaitable<stream_ptr> open_copy(connection_core::pointer core, std::string sql, direction which)
{
    auto const in = which == direction::in;
    auto const made = std::make_shared<stream>(std::move(core), in ? "copy to" : "copy from", std::move(sql));
    step now(made);
    co_await connection_core::begin_copy(made->op, in ? pq::status::copy_in : pq::status::copy_out);
    now.done();
    co_return made;
}

asio::awaitable<void> write_copy(stream_ptr to, std::string_view data)
{
    step now(to);
    co_await connection_core::write_copy(to->op, data);
    now.done();
}

asio::awaitable<std::uint64_t> finish_copy(stream_ptr to)
{
    step now(to);
    auto result = co_await connection_core::end_copy(to->op, nullptr);
    to->end = result_set(std::move(result));
    now.done();
    co_return to->end.affected();
}

asio::awaitable<void> abandon_copy(stream_ptr to, std::string reason)
{
    step now(to);
    co_await connection_core::end_copy(to->op, reason.c_str());
    now.done();
}

asio::awaitable<std::string_view> read_copy(stream_ptr from)
{
    step now(from);
    from->chunk.clear();
    auto end = co_await connection_core::read_copy(from->op, from->chunk);
    if (end) from->end = result_set(std::move(end));
    now.done();
    co_return from->chunk;
}

std::uint64_t copied_rows(stream const& of) noexcept
{
    return of.end.affected();
}

asio::awaitable<void> connection_core::begin_rows(operation& op, params values)
{
    auto& core = op.core();
    co_await core.start(op, values);
    auto const sent = core.conn_.send_query(core.statement_, values, true) && core.conn_.single_rows();
    if (!sent) core.lose();
    co_await core.flush();
}

asio::awaitable<pq::result> connection_core::next_row(operation& op)
{
    auto& core = op.core();
    if (core.has_ended(op)) co_return pq::result();
    auto result = co_await core.wait_result();
    if (result.state() == pq::status::single_tuple) co_return result;
    co_await core.finish_stream(op);
    core.check(result);
    co_return result;
}

asio::awaitable<void> connection_core::begin_copy(operation& op, pq::status wanted)
{
    auto& core = op.core();
    auto const none = params();
    co_await core.start(op, none);
    // A simple query: when an extended COPY is cancelled, it may answer its Sync twice.
    if (!core.conn_.send_query(core.statement_)) core.lose();
    co_await core.flush();
    auto const result = co_await core.wait_result();
    if (result.state() == wanted) co_return;
    auto const copies = pq::is_copy(result.state());
    if (!copies) co_await core.finish_stream(op);
    core.check(result);
    auto const* const name = wanted == pq::status::copy_in    ? "COPY ... FROM STDIN"
                             : wanted == pq::status::copy_out ? "COPY ... TO STDOUT"
                                                              : "START_REPLICATION";
    throw error(errc::bad_result, core.line(std::string("the statement is not ") + name, sqlstate()));
}

asio::awaitable<pq::result> connection_core::read_copy(operation& op, std::string& into)
{
    auto& core = op.core();
    if (core.has_ended(op)) co_return pq::result();
    for (;;) {
        auto const got = core.conn_.get_copy(into);
        if (got == pq::copied::end) break;
        auto const enough = got == pq::copied::row ? into.size() >= chunk_bytes : !into.empty();
        if (enough) co_return pq::result();
        if (got == pq::copied::row) continue;
        core.arm_step();
        co_await core.read_more();
    }
    auto result = co_await core.wait_result();
    co_await core.finish_stream(op);
    core.check(result);
    co_return result;
}

asio::awaitable<void> connection_core::write_copy(operation& op, std::string_view data)
{
    auto& core = op.core();
    core.check_copying(op);
    while (!data.empty()) {
        auto const piece = data.substr(0, piece_bytes);
        data.remove_prefix(piece.size());
        if (!core.conn_.put_copy(piece)) core.lose();
        core.unflushed_ += piece.size();
        if (core.unflushed_ < chunk_bytes) continue;
        core.unflushed_ = 0;
        co_await core.flush();
    }
    core.check_going();
}

asio::awaitable<pq::result> connection_core::end_copy(operation& op, char const* reason)
{
    auto& core = op.core();
    core.check_copying(op);
    core.unflushed_ = 0;
    if (!core.conn_.end_copy(reason)) core.lose();
    auto result = co_await core.exchange();
    op.finish();
    op.release();
    if (reason == nullptr) core.check(result);
    co_return result;
}

// Reads what follows the last result, up to null. If the last result needed no wait, this is the first wait of
// the step.
asio::awaitable<void> connection_core::finish_stream(operation& op)
{
    arm_step();
    co_await exchange();
    op.finish();
    op.release();
}

asio::awaitable<pq::result> connection_core::wait_result()
{
    if (conn_.is_busy()) arm_step();
    while (conn_.is_busy()) co_await read_more();
    check_going();
    auto result = conn_.get_result();
    deliver_notifies();
    co_return result;
}

// The deadline of a step runs from its first wait.
void connection_core::arm_step()
{
    check_going();
    if (deadline_number_ != armed_number_) arm(timeout_);
}

void connection_core::check_copying(operation const& op)
{
    if (has_ended(op)) throw error(errc::closed, line("the copy has ended", sqlstate()));
    arm_step();
}

// Returns true at the end. Throws if an error ended the stream before.
bool connection_core::has_ended(operation const& op) const
{
    if (op.is_finished()) return true;
    check_alive();
    if (op.is_released()) throw error(errc::closed, line("the stream ended by an error", sqlstate()));
    return false;
}

}  // namespace pgtally::db::detail
