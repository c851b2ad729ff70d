#include <pgtally/cache/load_schedule.hpp>

#include <algorithm>
#include <utility>

namespace pgtally {

std::string_view to_string(load_cause value) noexcept
{
    switch (value) {
        case load_cause::start: return "start";
        case load_cause::reconnect: return "reconnect";
        case load_cause::reload: return "reload";
        case load_cause::definition: return "definition";
        case load_cause::broken: return "broken";
        case load_cause::look: return "look";
        case load_cause::reset: return "reset";
        case load_cause::retry: return "retry";
        case load_cause::audit: return "audit";
    }
    return "retry";
}

load_schedule::load_schedule(db::backoff_limits pauses, std::function<double()> random)
    : pauses_{pauses}, random_{std::move(random)}
{
}

load_schedule::load_state* load_schedule::find(std::string_view name) noexcept
{
    auto const at = tallies_.find(name);
    return at == tallies_.end() ? nullptr : &at->second;
}

load_schedule::load_state const* load_schedule::find(std::string_view name) const noexcept
{
    auto const at = tallies_.find(name);
    return at == tallies_.end() ? nullptr : &at->second;
}

// Tallies and transports

void load_schedule::add(std::string name, std::size_t transport)
{
    // All tallies share one random source: with copies of it, every tally would have the same pauses.
    db::backoff backoff{pauses_, [this] { return random_(); }};
    auto const [at, added] = tallies_.try_emplace(std::move(name), transport, std::move(backoff));
    if (!added) return;
    at->second.definitions_needed = definitions_asked_;
    want(at->second, load_cause::start);
}

void load_schedule::remove(std::string_view name)
{
    if (auto const at = tallies_.find(name); at != tallies_.end()) tallies_.erase(at);
}

void load_schedule::redefined(std::string_view name, std::size_t transport)
{
    auto* const of = find(name);
    if (of == nullptr) return;
    of->transport = transport;
    want(*of, load_cause::definition);
}

bool load_schedule::transport_opened(std::size_t transport)
{
    if (transports_.size() <= transport) transports_.resize(transport + 1);
    auto& of = transports_[transport];
    of.open = true;
    bool const again = std::exchange(of.opened_before, true);
    if (again) ++generation_;
    return again;
}

void load_schedule::transport_lost(std::size_t transport)
{
    if (transport < transports_.size()) transports_[transport].open = false;
}

bool load_schedule::is_open(std::size_t transport) const noexcept
{
    return transport < transports_.size() && transports_[transport].open;
}

// Requests

void load_schedule::want(std::string_view name, load_cause cause)
{
    auto* const of = find(name);
    if (of == nullptr) return;
    bool const definition_in_doubt =
        cause == load_cause::start || cause == load_cause::reconnect || cause == load_cause::definition;
    if (definition_in_doubt) of->definitions_needed = definitions_asked_;
    want(*of, cause);
}

void load_schedule::want(load_state& of, load_cause cause)
{
    of.wanted = true;
    of.cause = cause;
    if (cause != load_cause::retry) of.not_before = time_point::min();
    // The event may mean that the source exists again.
    if (of.held && (cause == load_cause::reload || cause == load_cause::definition)) look_requested_ = true;
}

void load_schedule::want_again(std::string_view name)
{
    auto* const of = find(name);
    if (of != nullptr && of->running == 0) want(*of, of->cause);
}

bool load_schedule::wanted(std::string_view name) const noexcept
{
    auto const* const of = find(name);
    return of != nullptr && of->wanted;
}

void load_schedule::give_up(std::string_view name)
{
    auto* const of = find(name);
    if (of != nullptr && of->running != 0) of->given_up = true;
}

void load_schedule::hold(std::string_view name)
{
    if (auto* const of = find(name)) of->held = true;
}

void load_schedule::release(std::string_view name)
{
    auto* const of = find(name);
    if (of == nullptr || !std::exchange(of->held, false) || of->wanted) return;
    want(*of, load_cause::reload);
}

bool load_schedule::held(std::string_view name) const noexcept
{
    auto const* const of = find(name);
    return of != nullptr && of->held;
}

void load_schedule::want_audit(std::string_view name)
{
    if (auto* const of = find(name)) of->audit = true;
}

void load_schedule::drop_audit(std::string_view name)
{
    if (auto* const of = find(name)) of->audit = false;
}

// Orders

bool load_schedule::may_run(load_state const& of) const noexcept
{
    return of.running == 0 && !of.held && is_open(of.transport);
}

// When the wanted load may begin; nothing if it cannot before the schedule changes.
std::optional<load_schedule::time_point> load_schedule::due(load_state const& of) const noexcept
{
    if (!of.wanted || !may_run(of) || definitions_read_ < of.definitions_needed) return std::nullopt;
    return by_event(of.cause) ? std::max(of.not_before, of.requests.ready()) : of.not_before;
}

bool load_schedule::by_event(load_cause cause) noexcept
{
    return cause == load_cause::reload || cause == load_cause::definition || cause == load_cause::broken;
}

bool load_schedule::audit_under_way() const noexcept
{
    return std::ranges::any_of(tallies_, [](auto const& each) {
        return each.second.running != 0 && each.second.running_cause == load_cause::audit;
    });
}

std::optional<load_schedule::order> load_schedule::next(time_point now)
{
    for (auto& [name, of] : tallies_) {
        auto const at = due(of);
        if (at && *at <= now) return begin(name, of, now);
    }
    if (audit_under_way()) return std::nullopt;
    for (auto& [name, of] : tallies_) {
        if (of.audit && !of.wanted && may_run(of)) return begin(name, of, now);
    }
    return std::nullopt;
}

load_schedule::time_point load_schedule::wake_at() const noexcept
{
    auto result = time_point::max();
    for (auto const& [name, of] : tallies_) {
        if (auto const at = due(of)) result = std::min(result, *at);
    }
    return result;
}

load_schedule::order load_schedule::begin(std::string const& name, load_state& of, time_point now)
{
    of.running_cause = of.wanted ? of.cause : load_cause::audit;
    of.running = ++last_number_;
    of.given_up = false;
    if (of.wanted) of.wanted = false;
    else of.audit = false;
    return {name, of.running_cause, of.running, generation_, now};
}

bool load_schedule::under_way(order const& o) const noexcept
{
    auto const* const of = find(o.tally);
    return of != nullptr && o.number != 0 && of->running == o.number;
}

bool load_schedule::stands(order const& o) const noexcept
{
    return under_way(o) && !find(o.tally)->given_up;
}

// Null if the order is not under way.
load_schedule::load_state* load_schedule::end(order const& o, time_point now)
{
    if (!under_way(o)) return nullptr;
    auto* const of = find(o.tally);
    of->running = 0;
    if (by_event(o.cause)) of->requests.done(now, now - o.began);
    return of;
}

void load_schedule::done(order const& o, cache::load_report const& report, cache::state state, time_point now)
{
    bool const stood = stands(o);
    auto* const of = end(o, now);
    if (of == nullptr) return;
    of->pauses.reset();
    of->failures = 0;
    if (of->wanted) return;
    if (!report.live) want(*of, load_cause::reload);
    else if (!stood || state != cache::state::live) want(*of, load_cause::retry);
}

void load_schedule::given_up(order const& o, cache::state state, time_point now)
{
    auto* const of = end(o, now);
    if (of == nullptr) return;
    if (!o.audits()) want(*of, of->wanted ? of->cause : load_cause::retry);
    else if (state != cache::state::live && !of->wanted) want(*of, load_cause::retry);
}

// The part of the pause that grows with what the failed loads cost.
std::chrono::nanoseconds load_schedule::pause_for(load_state& of, time_point::duration took) noexcept
{
    std::chrono::nanoseconds const longest = max_failure_pause;
    ++of.failures;
    return took > longest / of.failures ? longest : took * of.failures;
}

load_schedule::consequence load_schedule::failed(order const& o, failure why, cache::state state, time_point now)
{
    auto* const of = end(o, now);
    if (of == nullptr) return consequence::none;
    if (why.other_definition) {
        want_definitions();
        of->definitions_needed = definitions_asked_;
    }
    // A live tally follows its events, even if the audit failed.
    if (o.audits() && state == cache::state::live) return consequence::none;
    if (!of->wanted) want(*of, load_cause::retry);
    if (o.audits()) return consequence::none;
    of->not_before = now + std::max<std::chrono::nanoseconds>(of->pauses.next(), pause_for(*of, now - o.began));
    bool const failed_before = state == cache::state::failed;
    if (failed_before && (why.explained || of->held)) return consequence::none;
    if (why.permanent) return consequence::failed;
    return state == cache::state::live ? consequence::log : consequence::stale;
}

}  // namespace pgtally
