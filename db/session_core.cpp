// A session's callers, and the life of its connection; session_wire.cpp has what goes over it.

#include <pgtally/db/detail/session_core.hpp>

#include <boost/asio/error.hpp>
#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <exception>
#include <utility>

namespace pgtally::db::detail {
namespace {

using clock = std::chrono::steady_clock;

// A reason that stays the same is logged again after so long.
constexpr std::chrono::minutes log_again_after{1};

constexpr std::chrono::hours far_off{24 * 365};

// What a request takes besides its texts, roughly.
constexpr std::size_t request_overhead = 512;

request_limits limits_of(session_config const& settings)
{
    return {std::max(settings.max_in_flight, std::size_t{1}), settings.max_in_flight_bytes,
            std::max(settings.max_queued, std::size_t{1}), settings.max_queued_bytes};
}

}  // namespace

request::request(asio::any_io_executor executor, std::string text, params given, bool as_binary)
    : sql(std::move(text)), values(std::move(given)), binary(as_binary), done(std::move(executor))
{
    // No text holds a NUL: no two keys are the same by chance.
    if (auto const types = values.type_key(); !types.empty()) typed_key = sql + '\0' + types;
    bytes = sql.size() + typed_key.size() + values.bytes() + request_overhead;
}

/// The caller of a request, who may leave at any time and by any way.
class session_core::caller {
public:
    caller(session_core& core, request_ptr of) : core_(core), request_(std::move(of)) {}
    caller(caller const&) = delete;
    caller& operator=(caller const&) = delete;
    ~caller()
    {
        if (core_.queue_.abandon(request_)) ++core_.counters_.withdrawn;
    }

private:
    session_core& core_;
    request_ptr request_;
};

session_core::session_core(asio::any_io_executor executor, session_config settings)
    : executor_(executor)
    , settings_(std::move(settings))
    , core_(std::make_shared<connection_core>(executor))
    , queue_(limits_of(settings_))
    , statements_(settings_.statement_cache)
    , hurry_(executor)
    , random_(std::random_device()())
    , retry_(settings_.connection.retry, [this] { return std::generate_canonical<double, 32>(random_); })
{
}

asio::awaitable<result_set> session_core::call(pointer self, std::string sql, params values, bool binary,
                                               std::optional<time_point> until)
{
    if (self->stopped_) throw self->failure(errc::closed, "the session is stopped", sql);
    auto const unsendable = connection_core::why_not_sendable(sql, values);
    if (!unsendable.empty()) throw self->failure(errc::bad_parameter, unsendable, sql);
    auto const when = self->deadline(until);
    auto const mine = std::make_shared<request>(self->executor_, std::move(sql), std::move(values), binary);
    if (!self->queue_.push(mine)) {
        ++self->counters_.overloaded;
        throw self->failure(errc::overloaded, "too many callers wait already", mine->sql);
    }
    self->counters_.queued_max = std::max(self->counters_.queued_max, self->queue_.waiting());
    self->core_->nudge();

    caller const leaving(*self, mine);
    bool in_time = false;
    bool cancelled = false;
    try {
        in_time = co_await mine->done.wait_until(when);
    } catch (error const&) {
        cancelled = true;
    }
    if (cancelled) throw self->failure(asio::error::operation_aborted, "cancelled", mine->sql);
    if (!in_time) throw self->failure(errc::timed_out, "no answer in time", mine->sql);
    if (mine->failure) throw *mine->failure;
    if (mine->failed) {
        auto said = mine->failed.said();
        said.statement = std::move(mine->sql);
        auto text = self->line(said.primary, said.state);
        throw error(errc::server_error, std::move(text), std::move(said));
    }
    co_return result_set(std::move(mine->last));
}

asio::awaitable<void> session_core::run(pointer self)
{
    if (self->running_) throw error(errc::busy, "session: run() is called twice");
    struct end {
        session_core& of;
        ~end() { of.stop(); }
    } const at_end{*self};
    self->running_ = true;
    while (!self->stopped_) {
        auto const why = co_await self->connect_and_drive();
        if (self->stopped_) break;
        self->report(why);
        co_await self->pause();
    }
}

// From connect to loss. Ends by an exception only when the coroutine is cancelled.
asio::awaitable<error> session_core::connect_and_drive()
{
    std::optional<error> why;
    try {
        co_await connection_core::connect(core_, settings_.connection);
        core_->start_pipeline();
        co_await drive();
    } catch (error const& thrown) {
        if (thrown.code() == asio::error::operation_aborted) throw;
        why = thrown;
    } catch (boost::system::system_error const&) {
        throw;                                // Asio's own: the coroutine is cancelled
    } catch (std::exception const& thrown) {  // no memory, say
        why.emplace(errc::connection_lost, std::string("session failed: ") + thrown.what());
    }
    core_->shut(errc::closed);
    statements_.clear();
    give_up_in_flight(*why);
    co_return *why;
}

// Callers that were answered together come back together: their next statements are all in the
// queue when this goes round again.
asio::awaitable<void> session_core::drive()
{
    ++counters_.connects;
    connected_since_ = clock::now();
    reported_reason_.clear();
    log(level::info, core_->description() + ": session open");
    // Asio sets the system's timer whenever another one becomes the next to fire. With this one in
    // front waits without an end never do, which spares two system calls for a call.
    asio::steady_timer first(executor_, far_off);
    first.async_wait([](error_code) {});
    for (;;) {
        write_waiting();
        auto const unsent = core_->pipeline().flush() == pq::flushed::some;
        if (read_answers()) continue;
        auto const alive = co_await connection_core::turn(core_, unsent);
        if (alive) continue;
        read_answers();  // what had come before the end
        core_->lose_pipeline(queue_.in_flight() == 0 ? pq::result() : std::move(queue_.front()->failed));
    }
}

asio::awaitable<void> session_core::pause()
{
    hurry_.clear();
    auto const until = clock::now() + retry_.next();
    co_await hurry_.wait_until(until);
}

void session_core::stop() noexcept
{
    stopped_ = true;
    core_->shut(errc::closed);
    hurry_.notify();
    give_up_all();
}

void session_core::report(error const& why)
{
    auto const now = clock::now();
    if (connected_since_) {
        ++counters_.losses;
        if (now - *connected_since_ >= retry_.cap()) retry_.reset();
    } else {
        ++counters_.connect_failures;
    }
    auto const loud = why.permanent() || why.code() == errc::not_shareable;
    auto const news = connected_since_ || why.what() != reported_reason_;
    connected_since_.reset();
    if (!news && now - reported_at_ < log_again_after) return;
    reported_at_ = now;
    reported_reason_ = why.what();
    log(loud ? level::error : level::warn, reported_reason_);
}

void session_core::give_up_in_flight(error const& why)
{
    for (auto const& each : queue_.take_in_flight()) {
        diagnostics said;
        said.state = why.state();
        said.primary = why.primary();
        said.statement = each->sql;
        auto text = line(why.primary().empty() ? std::string_view(why.what()) : why.primary(), why.state());
        each->failure.emplace(errc::connection_lost, std::move(text), std::move(said));
        each->done.notify();
    }
}

void session_core::give_up_all() noexcept
{
    for (auto const& requests : {queue_.take_in_flight(), queue_.take_waiting()}) {
        for (auto const& each : requests) {
            each->failure = failure(errc::closed, "the session is stopped", each->sql);
            each->done.notify();
        }
    }
}

session_core::time_point session_core::deadline(std::optional<time_point> until) const
{
    if (until) return *until;
    auto const timeout = settings_.connection.query_timeout;
    return timeout.count() > 0 ? clock::now() + timeout : time_point::max();
}

std::string session_core::line(std::string_view why, sqlstate const& state) const
{
    auto const& description = core_->description();
    std::string text("query on ");
    text.append(description.empty() ? "a session" : description).append(" failed: ").append(why);
    if (!state.empty()) text.append(" (").append(state.view()).append(")");
    return text;
}

error session_core::failure(errc code, std::string_view why, std::string const& sql) const
{
    return failure(make_error_code(code), why, sql);
}

error session_core::failure(error_code code, std::string_view why, std::string const& sql) const
{
    diagnostics said;
    said.primary = why;
    said.statement = sql;
    return error(code, line(why, sqlstate()), std::move(said));
}

void session_core::log(level at, std::string const& text) const noexcept
{
    if (!settings_.connection.log) return;
    try {
        settings_.connection.log(at, text);
    } catch (...) {
        // A log that fails must not take the session with it.
    }
}

}  // namespace pgtally::db::detail
