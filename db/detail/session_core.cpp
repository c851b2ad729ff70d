// A session's callers and the life of its connection. session_wire.cpp has what is sent and received.

#include <pgtally/db/detail/log.hpp>
#include <pgtally/db/detail/session_core.hpp>

#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <exception>
#include <utility>

namespace pgtally::db::detail {
namespace {

using clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds shortest{1};

// An estimate of a request's memory besides its texts, in bytes.
constexpr std::size_t request_overhead = 512;

request_limits limits_of(session_config const& settings)
{
    return {std::max(settings.max_in_flight, std::size_t{1}), settings.max_in_flight_bytes,
            std::max(settings.max_queued, std::size_t{1}), settings.max_queued_bytes};
}

}  // namespace

request::request(std::string&& text, params&& given, bool as_binary)
    : sql(std::move(text)), values(std::move(given)), binary(as_binary)
{
    // Texts contain no NUL, so two different keys are never equal.
    if (auto const types = values.type_key(); !types.empty()) typed_key = sql + '\0' + types;
    bytes = sql.size() + typed_key.size() + values.bytes() + request_overhead;
}

/// The handler of the deadline timer, which is set while a caller waits. If Asio destroys it along with its
/// io_context, it ends the calls, whose frames nothing else would destroy.
struct session_core::alarm {
    explicit alarm(std::weak_ptr<session_core> given) noexcept : of(std::move(given)) {}
    alarm(alarm&&) noexcept = default;
    alarm& operator=(alarm&&) = delete;
    ~alarm()
    {
        if (auto const self = of.lock()) self->stop();
    }

    void operator()(error_code ec)
    {
        auto const self = std::exchange(of, std::weak_ptr<session_core>()).lock();
        if (!ec && self) self->ring();
    }

    std::weak_ptr<session_core> of;
};

/// The caller of a request. It may leave at any time.
class session_core::caller {
public:
    caller(session_core& core, request_ptr of) : core_(core), request_(std::move(of)) {}
    caller(caller const&) = delete;
    caller& operator=(caller const&) = delete;
    ~caller()
    {
        if (core_.queue_.abandon(request_)) ++core_.counters_.withdrawn;
        deadlines::remove(*request_);
        // A pending timer keeps the io_context running, as run() does.
        if (core_.deadlines_.empty() && !core_.running_) core_.silence();
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
    , alarm_(executor)
    , keepalive_(std::max(settings_.keepalive_interval, shortest), std::max(settings_.keepalive_timeout, shortest))
    , idle_(executor)
    , again_(executor, settings_.connection.retry)
{
}

asio::awaitable<result_set> session_core::call(pointer self, request_ptr mine, std::optional<time_point> until)
{
    if (self->stopped_) throw self->failure(errc::closed, "the session is stopped", mine->sql);
    auto const unsendable = connection_core::why_not_sendable(mine->sql, mine->values);
    if (!unsendable.empty()) throw self->failure(errc::bad_parameter, unsendable, mine->sql);
    mine->deadline = self->deadline(until);
    if (!self->queue_.push(mine)) {
        ++self->counters_.overloaded;
        throw self->failure(errc::overloaded, "too many callers are waiting", mine->sql);
    }
    self->counters_.queued_max = std::max(self->counters_.queued_max, self->queue_.waiting());
    caller const leaving(*self, mine);
    self->watch(*mine);
    if (!self->resuming_) self->core_->nudge();

    co_await mine->caller.wait();
    if (mine->state != request_state::done) {
        if (mine->timed_out) throw self->failure(errc::timed_out, "no answer in time", mine->sql);
        throw self->failure(asio::error::operation_aborted, "cancelled", mine->sql);
    }
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
        co_await self->again_.pause();
    }
}

// Runs one connection from connect to loss. Throws only if the coroutine is cancelled.
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
        throw;                                // Asio's own error: the coroutine is cancelled
    } catch (std::exception const& thrown) {  // std::bad_alloc, for example
        why.emplace(errc::connection_lost, std::string("session failed: ") + thrown.what());
    }
    core_->shut(errc::closed);
    idle_.cancel();
    statements_.clear();
    give_up_in_flight(*why);
    resume_answered();  // what was answered before the loss
    co_return *why;
}

// Callers that were answered together are resumed together. Their next statements are all queued before the loop
// sends again.
asio::awaitable<void> session_core::drive()
{
    ++counters_.connects;
    auto const since = clock::now();
    again_.connected(since);
    log(level::info, core_->description() + ": session open");
    idle_due_ = false;
    keepalive_.connected(since);
    watch_idle();
    for (;;) {
        core_->log_notices();  // before a caller acts on its answer
        resume_answered();
        write_waiting();
        auto const unsent = core_->pipeline().flush() == pq::flushed::some;
        auto const arrived = core_->take_arrived();
        auto const progress = read_answers();
        if (progress || arrived) keepalive_.heard(clock::now());
        if (progress) continue;
        if (std::exchange(idle_due_, false)) {
            keep_alive();
            watch_idle();
            continue;
        }
        auto const alive = co_await connection_core::wait_pipeline(core_, unsent);
        if (alive) continue;
        read_answers();  // what arrived before the end
        core_->lose_pipeline(queue_.in_flight() == 0 ? pq::result() : std::move(queue_.front()->failed));
    }
}

// Resumes callers directly, at the cost of a function call. That is safe, because only run() is active here.
void session_core::resume_answered()
{
    resuming_ = true;
    for (std::size_t i = 0; i < answered_.size(); ++i) {  // a caller may stop the session, which empties the vector
        auto const each = std::move(answered_[i]);
        try {
            each->caller.now();
        } catch (...) {
            // An exception of the caller's program: it leaves the event loop, as it would without the session.
            asio::post(executor_, [thrown = std::current_exception()] { std::rethrow_exception(thrown); });
        }
    }
    answered_.clear();
    resuming_ = false;
}

// One timer for all deadlines, which checks when it fires: deadlines usually pass in the order of arrival, and
// rarely pass at all.
void session_core::watch(request& of)
{
    deadlines_.add(of);
    if (!alarm_at_ || *alarm_at_ > of.deadline) set_alarm(of.deadline);
}

void session_core::set_alarm(time_point at)
{
    alarm_at_ = at;
    alarm_.expires_at(at);
    alarm_.async_wait(alarm(weak_from_this()));
}

void session_core::ring()
{
    while (auto* const due = deadlines_.take_due(clock::now())) {
        auto& late = static_cast<request&>(*due);
        late.timed_out = true;
        late.caller.soon();
    }
    alarm_at_.reset();
    if (!deadlines_.empty()) set_alarm(deadlines_.next());
}

// One timer that checks when it fires: cheaper than setting it again for every answer.
void session_core::watch_idle()
{
    idle_.expires_at(keepalive_.next(clock::now()));
    auto handler = [weak = weak_from_this()](error_code ec) {
        auto const self = weak.lock();
        if (ec || !self) return;
        self->idle_due_ = true;
        self->core_->nudge();
    };
    idle_.async_wait(std::move(handler));
}

void session_core::silence() noexcept
{
    alarm_at_.reset();
    cancel(alarm_);
    if (stopped_) cancel(idle_);
}

void session_core::stop() noexcept
{
    stopped_ = true;
    core_->shut(errc::closed);
    again_.hurry();
    give_up_all();
    silence();
}

void session_core::report(error const& why)
{
    auto const ended = again_.report(why.what(), clock::now());
    ++(ended.was_connected ? counters_.losses : counters_.connect_failures);
    auto const loud = why.permanent() || why.code() == errc::not_shareable;
    if (ended.to_be_logged) log(loud ? level::error : level::warn, why.what());
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
        each->caller.soon();
    }
}

void session_core::give_up_all() noexcept
{
    for (auto const& each : std::exchange(answered_, std::vector<request_ptr>())) {
        if (each) each->caller.soon();
    }
    for (auto const& requests : {queue_.take_in_flight(), queue_.take_waiting()}) {
        for (auto const& each : requests) {
            each->failure = failure(errc::closed, "the session is stopped", each->sql);
            each->caller.soon();
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
    return failure_line("query on " + (description.empty() ? "a session" : description), why, state);
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
    detail::log(settings_.connection, at, text);
}

}  // namespace pgtally::db::detail
