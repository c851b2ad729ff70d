#include <pgtally/db/detail/log.hpp>
#include <pgtally/db/detail/remedy.hpp>
#include <pgtally/db/detail/wal_stream_impl.hpp>

#include <boost/asio/error.hpp>

#include <algorithm>
#include <exception>
#include <random>
#include <stdexcept>
#include <utility>

namespace pgtally::db::detail {
namespace {

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

wal_stream_impl::wal_stream_impl(asio::any_io_executor executor, config settings, wal_stream_options options,
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
    status_limits_.keepalive_interval = limits_.keepalive_interval;
    status_limits_.keepalive_timeout = limits_.keepalive_timeout;
    settings_.query_timeout = limits_.keepalive_timeout;
    // an answer that is late means that the connection is lost
    settings_.recovery_timeout = std::chrono::milliseconds{0};
}

asio::awaitable<void> wal_stream_impl::run(std::shared_ptr<wal_stream_impl> self)
{
    if (self->running_) throw error(errc::busy, "wal_stream: run() is called twice");
    struct end {
        wal_stream_impl& of;
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
asio::awaitable<lost> wal_stream_impl::session()
{
    lost why;
    try {
        auto streaming = co_await open();
        auto command = start_replication(streaming.slot, options_.publication);
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
        why.permanent = failure.permanent() || refuses_replication(failure);
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

asio::awaitable<wal::streaming> wal_stream_impl::open()
{
    pq::options also;
    also.emplace("replication", "database");
    co_await connection_core::connect(core_, settings_, std::move(also));
    auto source = co_await identify_source(core_, options_.publication);
    auto slot = co_await make_slot();
    decoder_ = pgoutput::decoder();
    position_ = wal_position(slot.start);
    status_limits_.interval = limits_.status_interval;
    if (source.sender_timeout.count() > 0)
        status_limits_.interval = std::min(status_limits_.interval, source.sender_timeout / 3);
    wal::streaming result;
    result.slot = std::move(slot.name);
    result.system_identifier = std::move(source.system_identifier);
    result.timeline = source.timeline;
    result.database = source.database;
    result.backend = db::backend_pid(core_->conn().backend_pid());
    co_return result;
}

// Tries until the slot is made.
asio::awaitable<wal_slot> wal_stream_impl::make_slot()
{
    slot_timeouts const timeouts{limits_.slot_patience, limits_.keepalive_timeout};
    std::optional<wal_slot> made;
    while (!made) {
        notice_wait();
        wal_draw draw = [] { return std::uint32_t{std::random_device()()}; };
        made = co_await create_slot(core_, options_.slot_prefix, std::move(draw), timeouts);
        silence_alarm();
    }
    co_return std::move(*made);
}

asio::awaitable<std::span<wal::event const>> wal_stream_impl::next(std::shared_ptr<wal_stream_impl> self)
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

void wal_stream_impl::retry_now() noexcept
{
    again_.retry_now();
}

void wal_stream_impl::reconnect(std::string reason)
{
    if (!running_ || stopped_) return;
    if (again_.is_pausing()) {
        again_.hurry();
        return;
    }
    reconnect_reason_ = reason.empty() ? std::string("reconnect() was called") : std::move(reason);
    core_->shut(errc::closed);
}

void wal_stream_impl::stop() noexcept
{
    stopped_ = true;
    core_->shut(errc::closed);
    again_.hurry();
    arrived_.notify();
}

void wal_stream_impl::started(wal::streaming now)
{
    ++counters_.connects;
    auto const since = clock::now();
    status_ = wal_status(status_limits_, since);
    again_.connected(since);
    log(level::info, core_->description() + ": streaming from slot " + now.slot);
    queue_.push_streaming(std::move(now));
    arrived_.notify();
}

void wal_stream_impl::report(lost why)
{
    auto const ended = again_.report(why.reason, clock::now());
    ++(ended.was_connected ? counters_.losses : counters_.connect_failures);
    if (ended.to_be_logged) log(why.permanent ? level::error : level::warn, why.reason);
    if (!ended.news) return;
    queue_.push_lost(std::move(why));
    arrived_.notify();
}

void wal_stream_impl::notice_wait()
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
void wal_stream_impl::silence_alarm()
{
    alarm_.cancel();
    alarm_at_.reset();
}

void wal_stream_impl::log(level at, std::string const& line) const noexcept
{
    detail::log(settings_, at, line);
}

}  // namespace pgtally::db::detail
