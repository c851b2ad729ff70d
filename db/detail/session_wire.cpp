// What a session sends, and how it reads the answers. A null result ends the results of a statement; a call is
// answered when its Sync is.

#include <pgtally/db/detail/session_core.hpp>

#include <algorithm>
#include <string>
#include <utility>

namespace pgtally::db::detail {
namespace {

// At most one null result stands between two others.
constexpr int too_many_nulls = 3;

// True for statements that open a transaction. PQtransactionStatus is valid only when nothing is in flight, which
// is too late: calls sent meanwhile ran in that transaction.
bool opens_transaction(std::string_view tag) noexcept
{
    return tag == "BEGIN" || tag == "START TRANSACTION";
}

}  // namespace

void session_core::write_waiting()
{
    while (auto const next = queue_.next()) {
        // reading reports the reason; the other calls wait for the next connection
        if (core_->pipeline().bad()) return;
        write_next(next);
    }
    counters_.in_flight_max = std::max(counters_.in_flight_max, queue_.in_flight());
}

void session_core::write_next(request_ptr const& next)
{
    next->statement.reset();
    next->fresh = false;
    // A call that is sent again must not depend on a statement that another call prepares.
    auto const preparable = settings_.statement_cache > 0 && next->key().size() <= settings_.max_prepared_bytes;
    if (preparable && !next->healed) {
        auto const use = statements_.take(next->key());
        if (use.displaced) {
            ++counters_.displaced;
            deallocate(*use.displaced);
        }
        next->statement = use.statement;
        next->fresh = use.fresh;
    }
    queue_.wrote();  // from here on the server may have received it
    ++counters_.sent;
    auto& conn = core_->pipeline();
    bool sent = false;
    if (next->statement) {
        auto const name = statement_cache::name(*next->statement);
        sent = !next->fresh || conn.send_prepare(name, next->sql, next->values);
        sent = sent && conn.send_prepared(name, next->values, next->binary);
        if (next->fresh) ++counters_.prepared;
    } else {
        sent = conn.send_query(next->sql, next->values, next->binary);
    }
    if (!sent || !conn.send_sync()) core_->lose_pipeline(pq::result());
}

// Sends a keep-alive (a Sync alone), or finds that its answer is overdue.
void session_core::keep_alive()
{
    auto const now = std::chrono::steady_clock::now();
    auto what = queue_.is_awaited() ? keepalive::in_flight::awaited : keepalive::in_flight::given_up;
    if (queue_.in_flight() == 0) what = keepalive::in_flight::nothing;
    auto const todo = keepalive_.look(now, what);
    if (todo == keepalive::todo::nothing) return;
    auto& conn = core_->pipeline();
    if (todo == keepalive::todo::give_up) {
        // If this process was suspended, the answer may already be in the socket.
        if (conn.consume_input() && !conn.is_busy()) return;
        diagnostics said;
        said.primary = keepalive_.is_asking() ? "no answer to a keep-alive" : "no answer to calls that were given up";
        throw error(errc::connection_lost, "session on " + core_->description() + " failed: " + said.primary, said);
    }
    auto const unasked = std::make_shared<request>(std::string(), params(), false);
    unasked->keepalive = true;
    queue_.wrote_unasked(unasked);
    keepalive_.asked(now);
    ++counters_.keepalives;
    if (!conn.send_sync()) core_->lose_pipeline(pq::result());
}

// Sent with its own Sync, so that its failure affects no call.
void session_core::deallocate(statement_cache::id statement)
{
    auto sql = "deallocate " + statement_cache::name(statement);
    auto const unasked = std::make_shared<request>(std::move(sql), params(), false);
    queue_.wrote_unasked(unasked);
    auto& conn = core_->pipeline();
    if (!conn.send_query(unasked->sql, unasked->values, false) || !conn.send_sync()) core_->lose_pipeline(pq::result());
}

// Reads all that has arrived. Returns true if a call has ended, so that others may be sent.
bool session_core::read_answers()
{
    auto& conn = core_->pipeline();
    auto const before = queue_.in_flight();
    if (before == 0) return false;
    bool progress = false;
    int nulls = 0;
    while (queue_.in_flight() > 0 && !conn.is_busy()) {
        auto result = conn.get_result();
        if (result) {
            nulls = 0;
            progress = progress || result.state() == pq::status::pipeline_sync;
            take(std::move(result));
        } else if (++nulls >= too_many_nulls) {
            core_->lose_pipeline(std::move(queue_.front()->failed));
        }
    }
    if (queue_.in_flight() > 0 || conn.bad()) return progress;
    // libpq becomes idle here. It then takes notices and the server's last message, and knows whether a
    // transaction is open.
    auto const end = conn.get_result();
    if (!end && conn.in_transaction())
        throw error(errc::not_shareable, line("closed, because a statement left a transaction open", sqlstate()));
    return progress;
}

void session_core::take(pq::result result)
{
    auto& front = *queue_.front();
    switch (result.state()) {
        case pq::status::pipeline_sync: finish_front(); return;
        case pq::status::pipeline_aborted: return;  // because of the result that was kept as failed
        case pq::status::copy_in:
        case pq::status::copy_out:
        case pq::status::copy_both: refuse_front("COPY is not allowed on a shared connection");
        case pq::status::failed:
            if (!front.failed) front.failed = std::move(result);
            return;
        case pq::status::empty:
        case pq::status::command_ok:
        case pq::status::tuples_ok:
        case pq::status::single_tuple: break;
    }
    if (opens_transaction(result.tag())) refuse_front("a transaction is not allowed on a shared connection");
    if (!front.failed) front.last = std::move(result);
}

void session_core::finish_front()
{
    auto const front = queue_.front();  // a copy, because it leaves the queue
    if (is_stale(*front)) {
        auto const stale = *front->statement;
        auto const exists = !front->failed.said().state.is("26000");
        auto const forgotten = statements_.forget(front->key(), stale);
        front->failed = pq::result();
        front->healed = true;
        ++counters_.healed;
        queue_.again();
        if (forgotten && exists) deallocate(stale);
        return;
    }
    // The first success is the PREPARE. There was none, so the PREPARE failed.
    auto const unprepared = front->fresh && front->failed && !front->last;
    if (unprepared) statements_.forget(front->key(), *front->statement);
    if (front->keepalive) keepalive_.answered();
    if (queue_.answered()) fulfil(front);
    else if (!front->keepalive) ++counters_.dropped;
}

// True if the prepared statement no longer exists (26000, which names it) or its columns changed (0A000, which
// also has other reasons), and the statement has not run: an error from inside a statement has a context.
bool session_core::is_stale(request const& of) const
{
    if (!of.failed || !of.statement || of.healed || of.failed.has_context()) return false;
    auto const said = of.failed.said();
    if (said.state.is("26000")) return said.primary.find(statement_cache::name(*of.statement)) != std::string::npos;
    return !of.fresh && said.state.is("0A000") && of.failed.raised_by() == "RevalidateCachedQuery";
}

// Later calls may have run in the open transaction, which ends with the connection. So no caller after this one
// sees a success.
void session_core::refuse_front(std::string_view why)
{
    auto const front = queue_.front();
    auto refusal = failure(errc::not_shareable, why, front->sql);
    if (queue_.answered()) {
        front->failure = refusal;
        front->caller.soon();
    }
    throw refusal;
}

void session_core::fulfil(request_ptr const& of)
{
    ++counters_.answered;
    if (of->failed) ++counters_.failed;
    answered_.push_back(of);
}

}  // namespace pgtally::db::detail
