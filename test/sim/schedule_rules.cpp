#include "schedule_rules.hpp"

#include "environment.hpp"

#include <utility>

namespace pgtally::sim {

namespace {

void require(bool holds, std::string const& tally, char const* what)
{
    if (!holds) throw violation{"a load of " + tally + " begins " + what};
}

// Any role can send events.
bool by_event(load_cause cause)
{
    return cause == load_cause::reload || cause == load_cause::definition || cause == load_cause::broken;
}

}  // namespace

schedule_rules::record& schedule_rules::of(std::string_view tally)
{
    return tallies_[std::string{tally}];
}

void schedule_rules::opened(std::size_t transport) noexcept
{
    open_[transport] = true;
    if (std::exchange(opened_before_[transport], true)) ++reopenings_;
}

void schedule_rules::wanted(std::string_view tally, load_cause cause)
{
    auto& its = of(tally);
    if (cause != load_cause::retry) its.failed.reset();
    // After these causes the definition may differ from the one that was read.
    if (cause == load_cause::start || cause == load_cause::reconnect || cause == load_cause::definition) {
        its.needs = asked_;
    }
}

void schedule_rules::removed(std::string_view tally)
{
    if (auto const at = tallies_.find(tally); at != tallies_.end()) tallies_.erase(at);
}

void schedule_rules::begins(order const& o)
{
    auto& its = of(o.tally);
    require(open_[its.transport], o.tally, "without its transport");
    require(!its.held, o.tally, "although its source is lost");
    require(!its.running, o.tally, "beside another one of it");
    require(o.audits() || read_ >= its.needs, o.tally, "before the definitions that it needs were read");
    for (auto const& [name, other] : tallies_) {
        require(!o.audits() || !other.running || !other.running->audits(), o.tally, "beside another audit");
    }
    bool const may_retry = !its.failed || o.began >= *its.failed + db::backoff_limits{}.first;
    require(o.cause != load_cause::retry || may_retry, o.tally, "too soon after one that failed");
    if (by_event(o.cause) && its.by_event.size() == load_schedule::max_quick_requests) {
        bool const may_begin = o.began >= its.by_event.front() + load_schedule::request_interval;
        require(may_begin, o.tally, "too soon after many that events asked for");
    }
    its.running = o;
    if (!o.audits()) its.failed.reset();
}

void schedule_rules::uses_connection_of(std::uint64_t reopening) const
{
    if (reopening != reopenings_) throw violation{"a load uses a connection from before a transport opened again"};
}

void schedule_rules::ends(order const& o, time_point now, bool failed)
{
    auto const at = tallies_.find(o.tally);
    if (at == tallies_.end() || !at->second.running || at->second.running->number != o.number) return;
    auto& its = at->second;
    its.running.reset();
    if (failed && !o.audits()) its.failed = now;
    if (!by_event(o.cause)) return;
    its.by_event.push_back(now);
    if (its.by_event.size() > load_schedule::max_quick_requests) its.by_event.pop_front();
}

}  // namespace pgtally::sim
