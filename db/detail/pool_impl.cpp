#include <pgtally/db/detail/pool_impl.hpp>
#include <pgtally/db/jitter_source.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>

#include <exception>
#include <utility>

namespace pgtally::db::detail {
namespace {

using clock = std::chrono::steady_clock;

pool_limits limits_of(pool_config const& settings)
{
    pool_limits limits;
    limits.max_connections = settings.max_connections;
    limits.min_idle = settings.min_idle;
    limits.max_waiting = settings.max_waiting;
    limits.max_connecting = settings.max_connecting;
    limits.max_connecting_after_failure = settings.max_connecting_after_failure;
    limits.idle_check_after = settings.idle_check_after;
    limits.max_idle = settings.max_idle;
    limits.max_lifetime = settings.max_lifetime;
    limits.retry = settings.connection.retry;
    return limits;
}

}  // namespace

/// A place in the queue. Its caller may leave at any time.
class pool_impl::place {
public:
    place(pool_impl& pool, ticket whose, waiter_ptr of) : pool_(pool), whose_(whose), waiter_(std::move(of)) {}
    place(place const&) = delete;
    place& operator=(place const&) = delete;
    ~place()
    {
        pool_.waiters_.erase(whose_);
        auto const why = timed_out ? pool_core::leaving::timed_out : pool_core::leaving::cancelled;
        if (pool_.core_.leave(whose_, why) || !waiter_->given) return;
        // The caller was served but does not take the connection.
        auto const conn = std::move(waiter_->given);
        auto const what = pool_.core_.came_back(waiter_->which, returned::unused, clock::now());
        if (what == fate::kept) pool_.connections_.emplace(waiter_->which, conn);
        else conn->close();
        pool_.go_on();
    }

    bool timed_out = false;

private:
    pool_impl& pool_;
    ticket whose_;
    waiter_ptr waiter_;
};

pool_impl::pool_impl(asio::any_io_executor executor, pool_config settings)
    : executor_(executor)
    , settings_(std::move(settings))
    , description_(settings_.connection.redacted())
    , core_(limits_of(settings_), jitter_source())
    , timer_(executor)
{
}

asio::awaitable<lease> pool_impl::acquire(pointer self, std::optional<clock::time_point> until)
{
    if (self->core_.stopped()) throw self->refusal(errc::closed, "the pool is stopped");
    auto const now = clock::now();
    if (self->core_.hopeless(now) && self->last_failure_) throw *self->last_failure_;
    auto const timeout = self->settings_.acquire_timeout;
    auto const when = until ? *until : timeout.count() > 0 ? now + timeout : clock::time_point::max();

    auto const mine = std::make_shared<waiter>(self->executor_);
    auto const whose = self->core_.enter();
    if (!whose) throw self->refusal(errc::overloaded, "too many callers are waiting");
    place here(*self, *whose, mine);
    self->waiters_.emplace(*whose, mine);
    self->go_on();

    bool cancelled = false;
    if (!mine->given && !mine->failure) {
        self->core_.waits();
        try {
            here.timed_out = !co_await mine->turn.wait_until(when);
        } catch (boost::system::system_error const&) {
            cancelled = true;
        }
    }
    if (mine->failure) throw *mine->failure;
    if (cancelled) throw self->refusal(asio::error::operation_aborted, "cancelled");
    if (here.timed_out) throw self->refusal(errc::timed_out, "no connection became free in time");
    lease held;
    held.pool_ = self;
    held.connection_ = std::move(mine->given);
    held.id_ = static_cast<std::uint64_t>(mine->which);
    co_return held;
}

// Runs the steps of the core until there are none.
void pool_impl::go_on() noexcept
{
    auto const self = shared_from_this();  // a step may release all other references to this
    for (;;) {
        auto const step = core_.next(clock::now());
        if (step.what == pool_step::kind::nothing) break;
        perform(step);
    }
    wake_later();
}

void pool_impl::perform(pool_step const& step)
{
    switch (step.what) {
        case pool_step::kind::nothing: return;
        case pool_step::kind::hand_over: return hand_over(step);
        case pool_step::kind::close: return finish(step.member, fate::close);
        case pool_step::kind::check: {
            auto conn = connections_.at(step.member);
            return start(check(shared_from_this(), step.member, std::move(conn)), step.member);
        }
        case pool_step::kind::connect: {
            auto conn = std::make_shared<connection>(executor_);
            connections_.emplace(step.member, conn);
            return start(open(shared_from_this(), step.member, std::move(conn)), step.member);
        }
    }
}

void pool_impl::hand_over(pool_step const& step)
{
    auto const found = waiters_.find(step.waiter);
    auto const mine = found->second;
    waiters_.erase(found);
    auto conn = connections_.extract(step.member);
    mine->which = step.member;
    mine->given = std::move(conn.mapped());
    mine->given->set_timeout(settings_.connection.query_timeout);
    mine->turn.notify();
}

// Background coroutines handle their own failures, except a lack of memory.
void pool_impl::start(asio::awaitable<void> beside, member_id which)
{
    auto done = [self = shared_from_this(), which](std::exception_ptr thrown) {
        if (!thrown) return;
        self->core_.give_up(which, clock::now());
        self->finish(which, fate::close);
        self->go_on();
    };
    asio::co_spawn(executor_, std::move(beside), std::move(done));
}

asio::awaitable<void> pool_impl::open(pointer self, member_id which, connection_ptr conn)
{
    std::optional<error> failure;
    try {
        auto settings = self->settings_.connection;
        co_await conn->connect(std::move(settings));
    } catch (error const& thrown) {
        failure = thrown;
    } catch (std::exception const& thrown) {
        failure.emplace(errc::connect_failed, "connect to " + self->description_ + " failed: " + thrown.what());
    }
    self->opened(which, std::move(failure));
}

void pool_impl::opened(member_id which, std::optional<error> failure)
{
    if (core_.stopped()) return;
    if (!failure) {
        last_failure_.reset();
        reported_.forget();
        core_.connected(which, clock::now());
    } else {
        connections_.erase(which);
        last_failure_ = failure;
        auto const hopeless = failure->permanent() || settings_.fail_fast;
        fail(core_.connect_failed(which, hopeless, clock::now()), *failure);
        report(*failure);
    }
    go_on();
}

asio::awaitable<void> pool_impl::check(pointer self, member_id which, connection_ptr conn)
{
    conn->set_timeout(self->settings_.cleanup_timeout);
    try {
        co_await conn->query("select 1");
    } catch (std::exception const& thrown) {
        // The reason does not matter; opening a new connection reports it.
        self->log(level::debug, std::string("an idle connection does not answer: ") + thrown.what());
        conn->close();
    }
    self->finish(which, self->core_.tended(which, conn->is_open(), clock::now()));
    self->go_on();
}

asio::awaitable<void> pool_impl::clean(pointer self, member_id which, connection_ptr conn)
{
    try {
        co_await conn->settled();
        for (auto const& sql : self->settings_.on_return) co_await conn->query(sql);
        if (conn->in_transaction()) conn->close();  // on_return began a transaction
    } catch (std::exception const& thrown) {
        self->log(level::warn, std::string("a connection cannot be used again: ") + thrown.what());
        conn->close();
    }
    self->finish(which, self->core_.tended(which, conn->is_open(), clock::now()));
    self->go_on();
}

void pool_impl::give_back(member_id which, connection_ptr conn, bool discard) noexcept
{
    auto how = returned::clean;
    if (!core_.stopped() && !discard) {
        conn->set_timeout(settings_.cleanup_timeout);
        if (conn->is_busy()) conn->close();
        conn->leave_transaction();
    }
    if (!conn->is_idle() || !settings_.on_return.empty()) how = returned::unclean;
    if (!conn->is_open()) how = returned::broken;
    if (discard) how = returned::discarded;
    auto const what = core_.came_back(which, how, clock::now());
    if (what == fate::close) {
        conn->close();
    } else {
        connections_.emplace(which, conn);
        if (what == fate::tend) start(clean(shared_from_this(), which, std::move(conn)), which);
    }
    go_on();
}

// Carries out the core's decision about a connection.
void pool_impl::finish(member_id which, fate what) noexcept
{
    if (what != fate::close) return;
    auto const found = connections_.find(which);
    if (found == connections_.end()) return;  // the pool was stopped meanwhile
    found->second->close();
    connections_.erase(found);
}

void pool_impl::fail(std::vector<ticket> const& whom, error const& why)
{
    for (auto const each : whom) {
        auto const found = waiters_.find(each);
        found->second->failure = why;
        found->second->turn.notify();
        waiters_.erase(found);
    }
}

// One timer, which is set again only for an earlier time. If it fires too early, go_on() does nothing.
void pool_impl::wake_later()
{
    auto const at = core_.wake_at();
    if (at == clock::time_point::max() || (timer_at_ && *timer_at_ <= at)) return;
    timer_at_ = at;
    timer_.expires_at(at);
    auto handler = [weak = weak_from_this()](error_code ec) {
        auto const self = weak.lock();
        if (ec || !self) return;
        self->timer_at_.reset();
        self->go_on();
    };
    timer_.async_wait(std::move(handler));
}

void pool_impl::stop() noexcept
{
    auto const whom = core_.stop();
    fail(whom, refusal(errc::closed, "the pool is stopped"));
    for (auto const& [which, conn] : std::exchange(connections_, {})) conn->close();
    timer_.cancel();
}

void pool_impl::report(error const& why)
{
    auto const heard = reported_.hear(why.what(), clock::now());
    if (heard.to_be_logged) log(why.permanent() ? level::error : level::warn, why.what());
}

void pool_impl::log(level at, std::string_view what) const noexcept
{
    detail::log(settings_.connection, at, what, "pool of ", description_);
}

error pool_impl::refusal(error_code code, std::string_view why) const
{
    diagnostics said;
    said.primary = why;
    auto line = "acquire from the pool of " + description_ + " failed: " + std::string(why);
    if (last_failure_) line.append("; the last attempt to connect: ").append(last_failure_->what());
    return error(code, std::move(line), std::move(said));
}

}  // namespace pgtally::db::detail
