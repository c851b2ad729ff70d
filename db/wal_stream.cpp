#include <pgtally/db/detail/connection_core.hpp>
#include <pgtally/db/detail/log.hpp>
#include <pgtally/db/detail/pgoutput.hpp>
#include <pgtally/db/detail/reconnect.hpp>
#include <pgtally/db/detail/remedy.hpp>
#include <pgtally/db/detail/signal.hpp>
#include <pgtally/db/detail/wal_opening.hpp>
#include <pgtally/db/detail/wal_position.hpp>
#include <pgtally/db/detail/wal_queue.hpp>
#include <pgtally/db/wal_stream.hpp>

#include <boost/asio/error.hpp>
#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <exception>
#include <random>
#include <stdexcept>
#include <utility>

namespace pgtally::db {
namespace {

using clock = std::chrono::steady_clock;
using detail::connection_core;
namespace pgoutput = detail::pgoutput;

// A server that shuts down asks again as soon as it is answered, until everything is confirmed.
constexpr std::chrono::milliseconds same_answer_after{100};

wal_stream_options checked(wal_stream_options options)
{
    constexpr std::size_t max_name = 63;  // NAMEDATALEN - 1
    constexpr std::size_t max_slot_prefix = 40;
    auto const has_nul = [](std::string const& text) { return text.find('\0') != std::string::npos; };
    auto const& publication = options.publication;
    if (publication.empty() || publication.size() > max_name || has_nul(publication))
        throw std::invalid_argument("pgtally::db::wal_stream: a publication has 1 to 63 bytes, no NUL");
    if (has_nul(options.prefix)) throw std::invalid_argument("pgtally::db::wal_stream: a prefix has no NUL");
    auto const fits = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; };
    auto const& slot = options.slot_prefix;
    if (slot.empty() || slot.size() > max_slot_prefix || !std::ranges::all_of(slot, fits))
        throw std::invalid_argument("pgtally::db::wal_stream: a slot_prefix has 1 to 40 of a-z, 0-9 and _");
    return options;
}

}  // namespace

class wal_stream::impl : public std::enable_shared_from_this<impl> {
public:
    impl(asio::any_io_executor executor, config settings, wal_stream_options options, wal_stream_limits limits);

    static asio::awaitable<void> run(std::shared_ptr<impl> self);
    static asio::awaitable<std::span<wal::event const>> next(std::shared_ptr<impl> self);
    void confirm(lsn end);
    void reconnect(std::string reason);
    void stop() noexcept;

    [[nodiscard]] bool is_streaming() const noexcept { return again_.is_connected() && core_->is_open(); }
    [[nodiscard]] connection_core const& core() const noexcept { return *core_; }
    [[nodiscard]] wal_stream_counters const& counters() const noexcept { return counters_; }

private:
    // What one connection needs while it streams.
    struct stream_state {
        pgoutput::decoder decoder{};
        detail::wal_position position{};
        std::chrono::milliseconds status_interval{};
        clock::time_point last_input{};
        clock::time_point last_status{};
        bool server_asks = false;  // and was not answered
        bool asked = false;        // the server was asked and did not answer yet
        clock::time_point asked_at{};
    };

    asio::awaitable<lost> session();
    asio::awaitable<wal::streaming> open();
    asio::awaitable<detail::wal_slot> make_slot();
    asio::awaitable<void> follow(connection_core::operation& op);
    bool read_all(connection_core::operation& op);
    void take(pgoutput::decoded&& message);
    void take(pgoutput::commit const& end);
    asio::awaitable<bool> answer(connection_core::operation& op);
    [[nodiscard]] lsn position() const noexcept;
    void started(wal::streaming now);
    void report(lost why);
    void interrupt_at(clock::time_point when);
    void notice_wait();
    void silence_alarm();
    void log(level at, std::string const& line) const noexcept;

    config settings_;
    wal_stream_options options_;
    wal_stream_limits limits_;
    detail::wal_queue queue_;
    std::shared_ptr<connection_core> core_;
    detail::signal arrived_;    // wakes the consumer
    asio::steady_timer alarm_;  // ends a wait for input; tells that making the slot takes long
    std::optional<clock::time_point> alarm_at_{};
    detail::reconnect again_;
    stream_state now_{};
    wal_stream_counters counters_{};
    std::string reconnect_reason_{};
    bool running_ = false;
    bool stopped_ = false;
    bool consumer_waits_ = false;
};

wal_stream::impl::impl(asio::any_io_executor executor, config settings, wal_stream_options options,
                       wal_stream_limits limits)
    : settings_(std::move(settings))
    , options_(checked(std::move(options)))
    , limits_(limits)
    , queue_(limits.max_queued, limits.max_queued_bytes, limits.max_transaction_bytes)
    , core_(std::make_shared<connection_core>(executor))
    , arrived_(executor)
    , alarm_(executor)
    , again_(executor, settings_.retry)
{
    settings_.query_timeout = limits_.keepalive_timeout;
    // an answer that is late means that the connection is lost
    settings_.recovery_timeout = std::chrono::milliseconds{0};
}

asio::awaitable<void> wal_stream::impl::run(std::shared_ptr<impl> self)
{
    if (self->running_) throw error(errc::busy, "wal_stream: run() is called twice");
    struct end {
        impl& of;
        ~end() { of.stop(); }
    } const at_end{*self};
    self->running_ = true;
    while (!self->stopped_) {
        auto why = co_await self->session();
        if (self->stopped_) break;
        auto const hurry = !self->reconnect_reason_.empty();
        if (hurry) {
            why = lost();
            why.reason = std::exchange(self->reconnect_reason_, std::string());
        }
        self->report(std::move(why));
        if (!hurry) co_await self->again_.pause();
    }
}

// Runs one connection from connect to loss. Throws only if the coroutine is cancelled.
asio::awaitable<lost> wal_stream::impl::session()
{
    lost why;
    try {
        auto streaming = co_await open();
        auto command = detail::start_replication(streaming.slot, options_.publication);
        connection_core::operation op(core_, "stream from", std::move(command));
        auto const none = params();
        co_await connection_core::begin_copy(op, pq::status::copy_both);
        op.pause();
        started(std::move(streaming));
        co_await follow(op);
    } catch (error const& failure) {
        if (failure.code() == asio::error::operation_aborted) throw;
        why.reason = failure.what();
        why.code = failure.code();
        why.state = failure.state();
        why.permanent = failure.permanent() || detail::refuses_replication(failure);
        why.remedy = remedy_of(failure);
    } catch (boost::system::system_error const&) {
        throw;                                 // Asio's own error: the coroutine is cancelled
    } catch (std::exception const& failure) {  // std::bad_alloc, for example
        why.reason = std::string("wal_stream failed: ") + failure.what();
    }
    core_->shut(errc::closed);
    silence_alarm();
    co_return why;
}

asio::awaitable<wal::streaming> wal_stream::impl::open()
{
    pq::options also;
    also.emplace("replication", "database");
    co_await connection_core::connect(core_, settings_, std::move(also));
    auto source = co_await detail::identify_source(core_, options_.publication);
    auto slot = co_await make_slot();
    now_ = stream_state();
    now_.position = detail::wal_position(slot.start);
    now_.status_interval = limits_.status_interval;
    if (source.sender_timeout.count() > 0)
        now_.status_interval = std::min(now_.status_interval, source.sender_timeout / 3);
    wal::streaming result;
    result.slot = std::move(slot.name);
    result.system_identifier = std::move(source.system_identifier);
    result.timeline = source.timeline;
    result.database = source.database;
    result.backend = db::backend_pid(core_->conn().backend_pid());
    co_return result;
}

// Tries until the slot is made.
asio::awaitable<detail::wal_slot> wal_stream::impl::make_slot()
{
    detail::slot_timeouts const timeouts{limits_.slot_patience, limits_.keepalive_timeout};
    std::optional<detail::wal_slot> made;
    while (!made) {
        notice_wait();
        detail::wal_draw draw = [] { return std::uint32_t{std::random_device()()}; };
        made = co_await detail::create_slot(core_, options_.slot_prefix, std::move(draw), timeouts);
        silence_alarm();
    }
    co_return std::move(*made);
}

asio::awaitable<void> wal_stream::impl::follow(connection_core::operation& op)
{
    for (;;) {
        auto const more = read_all(op);
        if (!more) co_await connection_core::end_messages(op);
        auto const sent = co_await answer(op);
        if (!sent) co_await connection_core::wait_message(op);  // what arrived while it sent must be taken first
    }
}

// Takes what has arrived. Returns false at the end of the stream.
bool wal_stream::impl::read_all(connection_core::operation& op)
{
    pq::copy_message message;
    for (;;) {
        auto const got = connection_core::next_message(op, message);
        if (got == pq::copied::wait) return true;
        if (got == pq::copied::end) return false;
        now_.last_input = clock::now();
        now_.asked = false;
        take(now_.decoder.decode(message.bytes()));
    }
}

void wal_stream::impl::take(pgoutput::decoded&& message)
{
    if (auto const* wrong = std::get_if<pgoutput::malformed>(&message)) {
        auto text = detail::failure_line("stream from " + core_->description(), wrong->what, sqlstate());
        throw error(errc::bad_result, std::move(text));
    }
    if (auto const* one = std::get_if<pgoutput::message>(&message)) {
        if (one->prefix != options_.prefix) {
            ++counters_.skipped;
            return;
        }
        ++counters_.messages;
        counters_.message_bytes += one->content.size();
        if (!queue_.add(one->content)) ++counters_.incomplete;
    } else if (auto const* alive = std::get_if<pgoutput::keepalive>(&message)) {
        now_.position.passed(alive->end);
        now_.server_asks = now_.server_asks || alive->asks;
    } else if (std::holds_alternative<pgoutput::begin>(message)) {
        queue_.begin();
    } else if (auto const* end = std::get_if<pgoutput::commit>(&message)) {
        take(*end);
    } else {
        ++counters_.skipped;
    }
}

void wal_stream::impl::take(pgoutput::commit const& end)
{
    using pushed = detail::wal_queue::pushed;
    auto const was_empty = queue_.empty();
    auto const what = queue_.commit(end.xid, end.commit_record, end.end, end.at);
    now_.position.passed(end.end);
    if (what == pushed::nothing) return;
    ++counters_.transactions;
    if (was_empty) arrived_.notify();
    if (what == pushed::queued) return;
    ++counters_.overflows;
    log(level::warn, core_->description() + ": too many transactions are queued; load again");
}

// Sends a status if one is due. If none was sent, an alarm is set for the next one.
asio::awaitable<bool> wal_stream::impl::answer(connection_core::operation& op)
{
    auto const now = clock::now();
    auto const where = position();
    auto const silent_at = now_.last_input + limits_.keepalive_interval;
    if (now_.asked && now - now_.asked_at >= limits_.keepalive_timeout) {
        auto text =
            detail::failure_line("stream from " + core_->description(), "the server does not answer", sqlstate());
        throw error(errc::timed_out, std::move(text));
    }
    auto const ask = !now_.asked && now >= silent_at;
    auto const wanted =
        now_.server_asks && (where != now_.position.reported() || now - now_.last_status >= same_answer_after);
    if (ask || wanted || now - now_.last_status >= now_.status_interval) {
        ++counters_.statuses;
        now_.server_asks = false;
        now_.last_status = now;
        now_.position.report(where);
        if (ask) {
            ++counters_.keepalives;
            now_.asked = true;
            now_.asked_at = now;
        }
        auto const wall = std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
        auto const status = pgoutput::status_update(where, wall, ask);
        co_await connection_core::send_message(op, status);
        co_return true;
    }
    auto next = now_.last_status + (now_.server_asks ? same_answer_after : now_.status_interval);
    next = std::min(
        next, now_.asked ? now_.asked_at + limits_.keepalive_timeout : now_.last_input + limits_.keepalive_interval);
    interrupt_at(next);
    co_return false;
}

lsn wal_stream::impl::position() const noexcept
{
    auto const unsettled = now_.decoder.in_transaction() || queue_.pending() > 0;
    return now_.position.now(unsettled, queue_.fetched());
}

asio::awaitable<std::span<wal::event const>> wal_stream::impl::next(std::shared_ptr<impl> self)
{
    if (self->consumer_waits_) throw error(errc::busy, "wal_stream: next() is awaited twice");
    struct end {
        bool& waits;
        ~end() { waits = false; }
    } const at_end{self->consumer_waits_};
    self->consumer_waits_ = true;
    while (!self->stopped_ && self->queue_.empty()) co_await self->arrived_.wait();
    if (self->stopped_) self->queue_.clear();
    if (!self->stopped_) ++self->counters_.batches;
    co_return self->queue_.take();
}

void wal_stream::impl::confirm(lsn end)
{
    now_.position.confirm(end, queue_.fetched());
    if (now_.server_asks) core_->interrupt();
}

void wal_stream::impl::reconnect(std::string reason)
{
    if (!running_ || stopped_) return;
    if (again_.is_pausing()) {
        again_.hurry();
        return;
    }
    reconnect_reason_ = reason.empty() ? std::string("reconnect() was called") : std::move(reason);
    core_->shut(errc::closed);
}

void wal_stream::impl::stop() noexcept
{
    stopped_ = true;
    core_->shut(errc::closed);
    again_.hurry();
    arrived_.notify();
}

void wal_stream::impl::started(wal::streaming now)
{
    ++counters_.connects;
    now_.last_input = now_.last_status = clock::now();
    again_.connected(now_.last_input);
    log(level::info, core_->description() + ": streaming from slot " + now.slot);
    queue_.push_streaming(std::move(now));
    arrived_.notify();
}

void wal_stream::impl::report(lost why)
{
    auto const ended = again_.report(why.reason, clock::now());
    ++(ended.was_connected ? counters_.losses : counters_.connect_failures);
    if (ended.to_be_logged) log(why.permanent ? level::error : level::warn, why.reason);
    if (!ended.news) return;
    queue_.push_lost(std::move(why));
    arrived_.notify();
}

// One timer that is set again only if it has fired or is too late: cheaper than setting it for every arrival.
void wal_stream::impl::interrupt_at(clock::time_point when)
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

void wal_stream::impl::notice_wait()
{
    auto const when = clock::now() + std::min(limits_.slot_notice, limits_.slot_patience / 2);
    alarm_at_ = when;
    alarm_.expires_at(when);
    auto handler = [weak = weak_from_this(), when](error_code ec) {
        auto const self = weak.lock();
        if (ec || !self || self->alarm_at_ != when || !self->core_->is_open()) return;
        ++self->counters_.waits;
        auto const line = self->core_->description() + ": making the slot waits for open transactions";
        self->log(level::info, line);
        wal::waiting const now{db::backend_pid(self->core_->conn().backend_pid())};
        self->queue_.push_waiting(now);
        self->arrived_.notify();
    };
    alarm_.async_wait(std::move(handler));
}

// A handler that is on its way finds no alarm, or a later one.
void wal_stream::impl::silence_alarm()
{
    alarm_.cancel();
    alarm_at_.reset();
}

void wal_stream::impl::log(level at, std::string const& line) const noexcept
{
    detail::log(settings_, at, line);
}

wal_stream::wal_stream(asio::any_io_executor executor, config settings, wal_stream_options options,
                       wal_stream_limits limits)
    : impl_(std::make_shared<impl>(std::move(executor), std::move(settings), std::move(options), limits))
{
}

wal_stream::~wal_stream()
{
    stop();
}

asio::awaitable<void> wal_stream::run()
{
    return impl::run(impl_);
}
asio::awaitable<std::span<wal::event const>> wal_stream::next()
{
    return impl::next(impl_);
}
void wal_stream::confirm(lsn end)
{
    impl_->confirm(end);
}
void wal_stream::reconnect(std::string reason)
{
    impl_->reconnect(std::move(reason));
}
void wal_stream::stop() noexcept
{
    impl_->stop();
}

bool wal_stream::is_streaming() const noexcept
{
    return impl_->is_streaming();
}
db::backend_pid wal_stream::backend_pid() const noexcept
{
    return db::backend_pid(impl_->core().conn().backend_pid());
}
wal_stream_counters const& wal_stream::counters() const noexcept
{
    return impl_->counters();
}
std::string const& wal_stream::description() const noexcept
{
    return impl_->core().description();
}
asio::any_io_executor wal_stream::executor() const noexcept
{
    return impl_->core().executor();
}

}  // namespace pgtally::db
