// What a session sends and what it makes of the answers. A null result ends the results of a
// statement; what a call sent is answered when its Sync is.

#include <pgtally/db/detail/session_core.hpp>

#include <algorithm>
#include <string>
#include <utility>

namespace pgtally::db::detail {
namespace {

// At most one null result stands between two others.
constexpr int too_many_nulls = 3;

// What leaves a transaction open. PQtransactionStatus knows only when nothing is in flight, which
// is too late: what was sent meanwhile ran in that transaction.
bool opens_transaction(std::string_view tag) noexcept
{
    return tag == "BEGIN" || tag == "START TRANSACTION";
}

}  // namespace

void session_core::write_waiting()
{
    while (auto const next = queue_.next()) {
        if (core_->pipeline().bad()) return;  // reading says why; the others wait for a better one
        write_next(next);
    }
    counters_.in_flight_max = std::max(counters_.in_flight_max, queue_.in_flight());
}

void session_core::write_next(request_ptr const& next)
{
    next->statement.reset();
    next->fresh = false;
    // What is sent a second time must not depend on what another call prepares.
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
    queue_.wrote();  // from here on the server may have got it
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

// Asks the peer whether it is there, by a Sync alone, or finds that it has not answered.
void session_core::keep_alive()
{
    auto const now = std::chrono::steady_clock::now();
    auto what = queue_.is_awaited() ? keepalive::in_flight::awaited : keepalive::in_flight::given_up;
    if (queue_.in_flight() == 0) what = keepalive::in_flight::nothing;
    auto const todo = keepalive_.look(now, what);
    if (todo == keepalive::todo::nothing) return;
    auto& conn = core_->pipeline();
    if (todo == keepalive::todo::give_up) {
        // This process may have been held up, and the answer lies in the socket.
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

// A unit of its own: that it fails is nobody's concern.
void session_core::deallocate(statement_cache::id statement)
{
    auto sql = "deallocate " + statement_cache::name(statement);
    auto const unasked = std::make_shared<request>(std::move(sql), params(), false);
    queue_.wrote_unasked(unasked);
    auto& conn = core_->pipeline();
    if (!conn.send_query(unasked->sql, unasked->values, false) || !conn.send_sync()) core_->lose_pipeline(pq::result());
}

// All that has come. True: some call has ended, and others may be sent in its place.
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
    // Now libpq becomes idle, so that it takes notices and the server's last words, and can say
    // whether a transaction is open after all.
    auto const end = conn.get_result();
    if (!end && conn.in_transaction())
        throw error(errc::not_shareable, line("closed, for a statement left a transaction open", sqlstate()));
    return progress;
}

void session_core::take(pq::result result)
{
    auto& front = *queue_.front();
    switch (result.state()) {
        case pq::status::pipeline_sync: finish_front(); return;
        case pq::status::pipeline_aborted: return;  // by what was kept as failed
        case pq::status::copy_in:
        case pq::status::copy_out:
        case pq::status::copy_both: refuse_front("COPY is not for a shared connection");
        case pq::status::failed:
            if (!front.failed) front.failed = std::move(result);
            return;
        case pq::status::empty:
        case pq::status::command_ok:
        case pq::status::tuples_ok:
        case pq::status::single_tuple: break;
    }
    if (opens_transaction(result.tag())) refuse_front("a transaction is not for a shared connection");
    if (!front.failed) front.last = std::move(result);
}

void session_core::finish_front()
{
    auto const front = queue_.front();  // a copy: it leaves the queue
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
    // The first to succeed is the PREPARE: none did, so it failed.
    auto const unprepared = front->fresh && front->failed && !front->last;
    if (unprepared) statements_.forget(front->key(), *front->statement);
    if (front->keepalive) keepalive_.answered();
    if (queue_.answered()) fulfil(front);
    else if (!front->keepalive) ++counters_.dropped;
}

// The prepared statement is gone (26000, which names it), or its columns have changed (0A000, which
// has other reasons, too), and the statement has not run: an error from within would have a context.
bool session_core::is_stale(request const& of) const
{
    if (!of.failed || !of.statement || of.healed || of.failed.has_context()) return false;
    auto const said = of.failed.said();
    if (said.state.is("26000")) return said.primary.find(statement_cache::name(*of.statement)) != std::string::npos;
    return !of.fresh && said.state.is("0A000") && of.failed.raised_by() == "RevalidateCachedQuery";
}

// What followed it may have run in its transaction, which ends with the connection: nobody after it
// is told of a success.
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
