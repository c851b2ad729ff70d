#include <pgtally/db/detail/pool_core.hpp>

#include <boost/assert.hpp>

#include <algorithm>
#include <utility>

namespace pgtally::db::detail {
namespace {

// The largest part by which a lifetime is shortened, so that connections that were opened together do not end together.
constexpr double lifetime_jitter = 0.1;

pool_limits raised(pool_limits limits)
{
    limits.max_connections = std::max(limits.max_connections, std::size_t{1});
    limits.min_idle = std::min(limits.min_idle, limits.max_connections);
    limits.max_connecting = std::max(limits.max_connecting, std::size_t{1});
    limits.max_connecting_after_failure =
        std::clamp(limits.max_connecting_after_failure, std::size_t{1}, limits.max_connecting);
    return limits;
}

}  // namespace

pool_core::pool_core(pool_limits limits, std::function<double()> random)
    : limits_(raised(limits)), random_(random), retry_(limits_.retry, std::move(random))
{
}

std::optional<ticket> pool_core::enter()
{
    BOOST_ASSERT(!stopped_);
    // Callers for whom a connection or room for one exists do not count as waiting.
    auto const on_their_way = limits_.max_connections - count(state::in_use);
    if (queue_.size() >= on_their_way && queue_.size() - on_their_way >= limits_.max_waiting) {
        ++counters_.overloaded;
        return std::nullopt;
    }
    begun_ = true;
    queue_.push_back(ticket(++last_ticket_));
    counters_.waiting_max = std::max(counters_.waiting_max, queue_.size());
    return queue_.back();
}

bool pool_core::leave(ticket whose, leaving why)
{
    auto const found = std::find(queue_.begin(), queue_.end(), whose);
    if (found == queue_.end()) return false;
    queue_.erase(found);
    ++(why == leaving::timed_out ? counters_.waits_timed_out : counters_.waits_cancelled);
    return true;
}

pool_step pool_core::next(time_point now)
{
    if (stopped_) return {};
    if (auto const expired = take_expired(now)) {
        ++counters_.expired;
        static_cast<void>(drop(members_.find(*expired)));
        return {pool_step::kind::close, *expired, {}};
    }
    if (!queue_.empty() && !idle_.empty()) {
        if (!wants_check(idle_.back(), now)) return hand_out();
        // Test at most one connection per waiting caller.
        if (count(state::checked) + count(state::cleaned) < queue_.size()) return check();
    }
    if (!may_connect() || now < retry_at_) return {};
    auto const made = member_id(++last_member_);
    members_.emplace(made, member());
    return {pool_step::kind::connect, made, {}};
}

bool pool_core::wants_check(member_id which, time_point now) const
{
    auto const after = limits_.idle_check_after;
    return after.count() > 0 && now - members_.at(which).idle_since >= after;
}

pool_step pool_core::check()
{
    auto const which = idle_.back();
    idle_.pop_back();
    members_.at(which).now = state::checked;
    return {pool_step::kind::check, which, {}};
}

pool_step pool_core::hand_out()
{
    auto const which = idle_.back();
    idle_.pop_back();
    members_.at(which).now = state::in_use;
    auto const whose = queue_.front();
    queue_.pop_front();
    ++counters_.acquired;
    counters_.in_use_max = std::max(counters_.in_use_max, count(state::in_use));
    return {pool_step::kind::hand_over, which, whose};
}

// Removes and returns an idle connection that must be closed.
std::optional<member_id> pool_core::take_expired(time_point now)
{
    auto const found = std::find_if(idle_.begin(), idle_.end(), [&](member_id which) { return due(which) <= now; });
    if (found == idle_.end()) return std::nullopt;
    auto const which = *found;
    idle_.erase(found);
    return which;
}

// When an idle connection must be closed.
pool_core::time_point pool_core::due(member_id which) const
{
    auto const& one = members_.at(which);
    auto const spare = idle_.size() > limits_.min_idle && queue_.empty();
    if (limits_.max_idle.count() <= 0 || !spare) return one.expires;
    return std::min(one.expires, one.idle_since + limits_.max_idle);
}

pool_core::time_point pool_core::wake_at() const
{
    auto at = time_point::max();
    if (stopped_) return at;
    for (auto const which : idle_) at = std::min(at, due(which));
    // Only the pause holds an attempt back, because next() has been called.
    return may_connect() ? std::min(at, retry_at_) : at;
}

// True if fewer connections are open or connecting than are wanted, and there is room.
bool pool_core::too_few() const noexcept
{
    if (members_.size() >= limits_.max_connections) return false;
    auto const wanted = queue_.size() + (begun_ ? limits_.min_idle : 0);
    return members_.size() - count(state::in_use) < wanted;
}

// True if an attempt is allowed, apart from the pause.
bool pool_core::may_connect() const noexcept
{
    auto const most = failing_ ? limits_.max_connecting_after_failure : limits_.max_connecting;
    return too_few() && count(state::connecting) < most;
}

void pool_core::connected(member_id which, time_point now)
{
    auto const found = members_.find(which);
    if (found == members_.end()) return;  // the pool was stopped meanwhile
    BOOST_ASSERT(found->second.now == state::connecting);
    ++counters_.connects;
    failing_ = permanent_ = false;
    retry_at_ = time_point::min();
    if (limits_.max_lifetime.count() > 0) {
        auto const part = 1.0 - lifetime_jitter * std::clamp(random_(), 0.0, 1.0);
        using milliseconds = std::chrono::duration<double, std::milli>;
        auto const lifetime = milliseconds(limits_.max_lifetime) * part;
        found->second.expires = now + std::chrono::duration_cast<std::chrono::milliseconds>(lifetime);
    }
    static_cast<void>(keep(found, now));
}

std::vector<ticket> pool_core::connect_failed(member_id which, bool permanent, time_point now)
{
    auto const found = members_.find(which);
    if (found == members_.end()) return {};  // the pool was stopped meanwhile
    BOOST_ASSERT(found->second.now == state::connecting);
    ++counters_.connect_failures;
    members_.erase(found);
    failing_ = true;
    permanent_ = permanent;
    pause(now);
    // While a connection is open, callers still have something to wait for.
    if (!permanent || members_.size() > count(state::connecting)) return {};
    auto const out = std::exchange(queue_, std::deque<ticket>());
    return std::vector<ticket>(out.begin(), out.end());
}

fate pool_core::came_back(member_id which, returned how, time_point now)
{
    auto const found = members_.find(which);
    if (found == members_.end()) return fate::close;  // the pool was stopped meanwhile
    BOOST_ASSERT(found->second.now == state::in_use);
    switch (how) {
        case returned::unused: return keep(found, now);
        case returned::clean:
            found->second.proven = true;
            retry_.reset();
            return keep(found, now);
        case returned::unclean:
            if (found->second.expires <= now) break;
            found->second.now = state::cleaned;
            ++counters_.cleaned;
            return fate::tend;
        case returned::broken: fail(found, now); return fate::close;
        case returned::discarded: ++counters_.discarded; return drop(found);
    }
    ++counters_.expired;
    return drop(found);
}

fate pool_core::tended(member_id which, bool good, time_point now)
{
    auto const found = members_.find(which);
    if (found == members_.end()) return fate::close;  // the pool was stopped meanwhile
    BOOST_ASSERT(found->second.now == state::checked || found->second.now == state::cleaned);
    if (!good) {
        if (found->second.now == state::checked) distrust_stale(now);
        fail(found, now);
        return fate::close;
    }
    found->second.proven = true;
    retry_.reset();
    return keep(found, now);
}

void pool_core::give_up(member_id which, time_point now)
{
    auto const found = members_.find(which);
    if (found == members_.end()) return;
    std::erase(idle_, which);
    fail(found, now);
}

// next() checks its age.
fate pool_core::keep(members::iterator which, time_point now)
{
    which->second.now = state::idle;
    which->second.idle_since = now;
    idle_.push_back(which->first);
    return fate::kept;
}

fate pool_core::drop(members::iterator which)
{
    members_.erase(which);
    return fate::close;
}

// A connection that has worked before is replaced at once, one attempt at a time. If one breaks before its first
// use, the next ones probably do too: pause.
void pool_core::fail(members::iterator which, time_point now)
{
    ++counters_.lost;
    failing_ = true;
    if (!which->second.proven) pause(now);
    static_cast<void>(drop(which));
}

// If one connection broke, other connections that were idle as long probably did too. Testing them one by one
// could take a timeout each, so all of them expire.
void pool_core::distrust_stale(time_point now)
{
    for (auto const which : idle_)
        if (wants_check(which, now)) members_.at(which).expires = now;
}

// Attempts that ran at the same time fail together and count as one failure.
void pool_core::pause(time_point now)
{
    if (now >= retry_at_) retry_at_ = now + retry_.next();
}

bool pool_core::hopeless(time_point now) const noexcept
{
    return permanent_ && now < retry_at_ && members_.size() == count(state::connecting);
}

std::vector<ticket> pool_core::stop()
{
    stopped_ = true;
    members_.clear();
    idle_.clear();
    auto const out = std::exchange(queue_, std::deque<ticket>());
    return std::vector<ticket>(out.begin(), out.end());
}

std::size_t pool_core::count(state wanted) const noexcept
{
    auto const is = [wanted](auto const& each) { return each.second.now == wanted; };
    return static_cast<std::size_t>(std::count_if(members_.begin(), members_.end(), is));
}

pool_counters pool_core::counters() const
{
    auto now = counters_;
    now.in_use = count(state::in_use);
    now.idle = idle_.size();
    now.connecting = count(state::connecting);
    now.waiting = queue_.size();
    return now;
}

}  // namespace pgtally::db::detail
