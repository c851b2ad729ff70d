#include <pgtally/db/detail/connection_core.hpp>
#include <pgtally/db/detail/event_queue.hpp>
#include <pgtally/db/detail/log.hpp>
#include <pgtally/db/detail/reconnect.hpp>
#include <pgtally/db/detail/signal.hpp>
#include <pgtally/db/listener.hpp>

#include <boost/asio/error.hpp>
#include <boost/asio/steady_timer.hpp>

#include <exception>
#include <stdexcept>
#include <utility>

namespace pgtally::db {
namespace {

using clock = std::chrono::steady_clock;
using detail::connection_core;

constexpr std::size_t max_channel_bytes = 63;  // NAMEDATALEN - 1; PostgreSQL truncates longer names

std::vector<std::string> checked(std::vector<std::string> channels)
{
    if (channels.empty()) throw std::invalid_argument("pgtally::db::listener: no channel");
    for (auto const& channel : channels) {
        if (channel.empty() || channel.size() > max_channel_bytes || channel.find('\0') != std::string::npos)
            throw std::invalid_argument("pgtally::db::listener: a channel has 1 to 63 bytes, no NUL");
    }
    return channels;
}

// One simple query is one transaction: it listens on all channels or on none.
std::string listen_statement(std::vector<std::string> const& channels)
{
    std::string sql;
    for (auto const& channel : channels) {
        sql += "listen \"";
        for (char const c : channel) sql.append(c == '"' ? 2 : 1, c);
        sql += "\";";
    }
    return sql;
}

}  // namespace

class listener::impl : public std::enable_shared_from_this<impl> {
public:
    impl(asio::any_io_executor executor, config settings, std::vector<std::string> channels, listener_limits limits);

    static asio::awaitable<void> run(std::shared_ptr<impl> self);
    static asio::awaitable<std::span<event const>> next(std::shared_ptr<impl> self);
    void reconnect(std::string reason);
    void retry_now() noexcept;
    void stop() noexcept;

    [[nodiscard]] bool is_listening() const noexcept { return again_.is_connected() && core_->is_open(); }
    [[nodiscard]] connection_core const& core() const noexcept { return *core_; }
    [[nodiscard]] listener_counters const& counters() const noexcept { return counters_; }

private:
    asio::awaitable<lost> session();
    asio::awaitable<void> follow();
    void take(pq::notify const& arrived);
    void started();
    void report(lost why);
    void watch_idle();
    void log(level at, std::string const& line) const noexcept;

    config settings_;
    listener_limits limits_;
    detail::event_queue queue_;
    std::shared_ptr<connection_core> core_;
    detail::signal arrived_;   // wakes the consumer
    asio::steady_timer idle_;  // fires when a keep-alive is due
    detail::reconnect again_;
    listener_counters counters_{};
    clock::time_point last_arrival_{};
    std::string reconnect_reason_{};
    bool running_ = false;
    bool stopped_ = false;
    bool consumer_waits_ = false;
};

listener::impl::impl(asio::any_io_executor executor, config settings, std::vector<std::string> channels,
                     listener_limits limits)
    : settings_(std::move(settings))
    , limits_(limits)
    , queue_(checked(std::move(channels)), limits.max_queued, limits.max_queued_bytes)
    , core_(std::make_shared<connection_core>(executor))
    , arrived_(executor)
    , idle_(executor)
    , again_(executor, settings_.retry)
{
    settings_.query_timeout = limits_.keepalive_timeout;
    // an answer that is late means that the connection is lost
    settings_.recovery_timeout = std::chrono::milliseconds{0};
    core_->set_sink([this](pq::notify const& arrived) { take(arrived); });
}

asio::awaitable<void> listener::impl::run(std::shared_ptr<impl> self)
{
    if (self->running_) throw error(errc::busy, "listener: run() is called twice");
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
asio::awaitable<lost> listener::impl::session()
{
    lost why;
    try {
        co_await connection_core::connect(core_, settings_);
        auto listen = listen_statement(queue_.channels());
        co_await connection_core::script(core_, std::move(listen));
        started();
        co_await follow();
    } catch (error const& failure) {
        if (failure.code() == asio::error::operation_aborted) throw;
        why.reason = failure.what();
        why.code = failure.code();
        why.state = failure.state();
        why.permanent = failure.permanent();
        why.remedy = remedy_of(failure);
    } catch (boost::system::system_error const&) {
        throw;                                 // Asio's own error: the coroutine is cancelled
    } catch (std::exception const& failure) {  // std::bad_alloc, for example
        why.reason = std::string("listener failed: ") + failure.what();
    }
    core_->shut(errc::closed);
    idle_.cancel();
    co_return why;
}

asio::awaitable<void> listener::impl::follow()
{
    for (;;) {
        auto const arrived = co_await connection_core::receive(core_);
        if (!arrived) {
            ++counters_.keepalives;
            co_await connection_core::script(core_, std::string("select 1"));
            last_arrival_ = clock::now();
            watch_idle();
        } else {
            last_arrival_ = clock::now();
        }
    }
}

asio::awaitable<std::span<event const>> listener::impl::next(std::shared_ptr<impl> self)
{
    if (self->consumer_waits_) throw error(errc::busy, "listener: next() is awaited twice");
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

void listener::impl::reconnect(std::string reason)
{
    if (!running_ || stopped_) return;
    if (again_.is_pausing()) {
        again_.hurry();
        return;
    }
    reconnect_reason_ = reason.empty() ? std::string("reconnect() was called") : std::move(reason);
    core_->shut(errc::closed);
}

void listener::impl::retry_now() noexcept
{
    again_.retry_now();
}

void listener::impl::stop() noexcept
{
    stopped_ = true;
    core_->shut(errc::closed);
    again_.hurry();
    arrived_.notify();
}

// Called many times in a row while libpq's buffer is emptied. The consumer wakes up after that.
void listener::impl::take(pq::notify const& arrived)
{
    auto const payload = arrived.payload();
    ++counters_.notifications;
    counters_.payload_bytes += payload.size();
    if (queue_.empty()) arrived_.notify();
    auto const sender = db::backend_pid(arrived.sender());
    if (queue_.push_notification(arrived.channel(), payload, sender)) return;
    ++counters_.overflows;
    log(level::warn, core_->description() + ": too many notifications are queued; load again");
}

void listener::impl::started()
{
    ++counters_.connects;
    last_arrival_ = clock::now();
    again_.connected(last_arrival_);
    queue_.push_listening();
    arrived_.notify();
    watch_idle();
    log(level::info, core_->description() + ": listening");
}

void listener::impl::report(lost why)
{
    auto const ended = again_.report(why.reason, clock::now());
    ++(ended.was_connected ? counters_.losses : counters_.connect_failures);
    if (ended.to_be_logged) log(why.permanent ? level::error : level::warn, why.reason);
    if (!ended.news) return;
    queue_.push_lost(std::move(why));
    arrived_.notify();
}

// One timer that checks the last arrival when it fires: cheaper than setting it again for every arrival.
void listener::impl::watch_idle()
{
    idle_.expires_at(last_arrival_ + limits_.keepalive_interval);
    auto handler = [weak = weak_from_this()](error_code ec) {
        auto const self = weak.lock();
        if (ec || !self || !self->is_listening()) return;
        if (clock::now() - self->last_arrival_ < self->limits_.keepalive_interval) self->watch_idle();
        else self->core_->interrupt();
    };
    idle_.async_wait(std::move(handler));
}

void listener::impl::log(level at, std::string const& line) const noexcept
{
    detail::log(settings_, at, line);
}

listener::listener(asio::any_io_executor executor, config settings, std::vector<std::string> channels,
                   listener_limits limits)
    : impl_(std::make_shared<impl>(std::move(executor), std::move(settings), std::move(channels), limits))
{
}

listener::~listener()
{
    stop();
}

asio::awaitable<void> listener::run()
{
    return impl::run(impl_);
}
asio::awaitable<std::span<event const>> listener::next()
{
    return impl::next(impl_);
}
void listener::reconnect(std::string reason)
{
    impl_->reconnect(std::move(reason));
}
void listener::retry_now() noexcept
{
    impl_->retry_now();
}
void listener::stop() noexcept
{
    impl_->stop();
}

bool listener::is_listening() const noexcept
{
    return impl_->is_listening();
}
db::backend_pid listener::backend_pid() const noexcept
{
    return db::backend_pid(impl_->core().conn().backend_pid());
}
listener_counters const& listener::counters() const noexcept
{
    return impl_->counters();
}
std::string const& listener::description() const noexcept
{
    return impl_->core().description();
}
asio::any_io_executor listener::executor() const noexcept
{
    return impl_->core().executor();
}

}  // namespace pgtally::db
