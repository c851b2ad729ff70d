// What loads.cpp decides.

#include "host.hpp"

#include <algorithm>

namespace pgtally::sim {

void host::want_load(std::string_view name, load_cause cause)
{
    bool const definition_in_doubt =
        cause == load_cause::start || cause == load_cause::reconnect || cause == load_cause::definition;
    auto const at = loads_.find(name);
    if (at != loads_.end() && definition_in_doubt) at->second->definitions_needed = definitions_asked_;
    plan_load(name, cause);
}

void host::plan_load(std::string_view name, load_cause cause)
{
    auto const at = loads_.find(name);
    if (at == loads_.end()) return;
    at->second->wanted = true;
    at->second->cause = cause;
    if (cause != load_cause::retry) at->second->not_before = milliseconds{0};
}

void host::give_up_load(std::string const& name)
{
    if (auto* const tally = find(name)) tally->abandon_load();
    auto const at = loads_.find(name);
    if (at == loads_.end()) return;
    at->second->done = true;
    for (auto& each : loaders_) {
        if (each.state == at->second) close(each);
    }
}

// By hand, or to see what differs: the same load, but that a failure means nothing to what is served.
void host::reset(std::size_t tally, bool by_audit)
{
    auto const name = tally_name(tally);
    auto const* const of = find(name);
    if (!by_audit) want_load(name, load_cause::reset);
    else if (of != nullptr && of->state() == cache::state::live) loads_[name]->audit = true;
}

void host::close(loader& mine)
{
    if (mine.locked && mine.connection.alive()) mine.connection.at().unshare(mine.source);
    mine.locked = false;
    mine.closed = true;  // also while it connects
    mine.connection.close();
}

void host::break_loader(std::size_t which)
{
    close(loaders_[which % loaders_.size()]);
}

bool host::may_load(load_state const& state) const noexcept
{
    if (state.running || definitions_read_ == 0) return false;
    if (!state.wanted) return state.audit;
    return definitions_read_ >= state.definitions_needed && state.not_before <= env_.now;
}

void host::load(std::size_t which, std::uint32_t luck)
{
    auto& mine = loaders_[which % loaders_.size()];
    if (mine.at != loader::step::idle) return load_step(mine, luck);
    for (auto const& [name, state] : loads_) {
        if (!may_load(*state) || !follows(name)) continue;
        mine.tally = name;
        mine.state = state;
        return begin_load(mine);
    }
}

void host::begin_load(loader& mine)
{
    auto& state = *mine.state;
    mine.audits = !state.wanted;
    env_.tell(name_, ": ", mine.audits ? "an audit of " : "a load of ", mine.tally, " begins");
    state.running = true;
    state.wanted = false;
    state.report.reset();
    mine.number = ++state.number;
    if (std::exchange(mine.generation, generation_) != generation_) close(mine);
    mine.begun = mine.closed = false;
    mine.source = mine.tally == tally_name(0) ? 0 : 1;
    mine.at = mine.connection.alive() ? loader::step::begin : loader::step::connect;
}

// The tally, while this load is still wanted.
cache::tally* host::wanted(loader& mine)
{
    auto* const tally = mine.state->gone ? nullptr : find(mine.tally);
    if (tally == nullptr || (mine.begun && !tally->loading())) return nullptr;
    mine.begun = true;
    return tally;
}

void host::end_load(loader& mine)
{
    mine.at = loader::step::idle;
    mine.state->running = false;
    mine.state = nullptr;
    end_turn();
}

void host::audit_ended(loader& mine)
{
    auto& state = *mine.state;
    auto* const tally = state.gone ? nullptr : find(mine.tally);
    state.audit = false;
    if (tally == nullptr) return;
    tally->abandon_load();
    if (tally->state() != cache::state::live && !state.wanted) plan_load(mine.tally, load_cause::retry);
}

void host::give_up(loader& mine)
{
    auto& state = *mine.state;
    close(mine);
    env_.tell(name_, ": the load of ", mine.tally, " is given up");
    if (mine.audits) audit_ended(mine);
    else if (!state.gone) plan_load(mine.tally, state.wanted ? state.cause : load_cause::retry);
    end_load(mine);
}

void host::fail(loader& mine, std::string const& why, bool permanent)
{
    auto& state = *mine.state;
    close(mine);
    auto* const tally = state.gone ? nullptr : find(mine.tally);
    if (mine.audits) {
        audit_ended(mine);
    } else if (tally != nullptr) {
        env_.tell(name_, ": the load of ", mine.tally, " failed: ", why);
        tally->abandon_load();
        if (!state.wanted) plan_load(mine.tally, load_cause::retry);
        state.failures = std::min(state.failures + 1, 7);
        state.not_before = env_.now + std::min(milliseconds{100 << state.failures}, milliseconds{10'000});
        if (permanent) tally->fail(why);
        else if (tally->state() == cache::state::failed || tally->state() == cache::state::stale) tally->lost(why);
    }
    end_load(mine);
}

}  // namespace pgtally::sim
