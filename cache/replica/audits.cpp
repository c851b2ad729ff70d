// Audits: a load that is asked for by somebody who wants to know what differed.

#include <pgtally/cache/replica/audit_reasons.hpp>
#include <pgtally/cache/replica/replica_set_impl.hpp>

#include <algorithm>
#include <utility>

namespace pgtally {

namespace {

audit_report no_comparison(audit_outcome outcome, std::string why)
{
    audit_report out;
    out.outcome = outcome;
    out.why = std::move(why);
    return out;
}

std::string not_live(cache::tally const& tally)
{
    std::string out{"the tally is " + std::string{to_string(tally.state())}};
    if (!tally.reason().empty()) out += ": " + tally.reason();
    return out;
}

}  // namespace

asio::awaitable<audit_report> replica_set::impl::audit(std::string name, clock::time_point until)
{
    auto const* const tally = find(name);
    if (tally == nullptr) co_return no_comparison(audit_outcome::unknown, "there is no tally of this name");
    if (stopping) co_return no_comparison(audit_outcome::stopped, "the replicas were stopped");
    auto& wanted = loads.find(name)->second->audit;
    if (wanted) co_return no_comparison(audit_outcome::running, "an audit of this tally is under way");
    if (tally->state() != cache::state::live) co_return no_comparison(audit_outcome::not_live, not_live(*tally));
    auto const mine = std::make_shared<audit_request>(executor, tally->epoch());
    wanted = mine;
    wake_loaders();
    while (!mine->done) {
        bool const notified = co_await mine->changed.wait_until(until);
        if (!notified && !mine->done) co_return no_comparison(audit_outcome::late, "it is not done yet; it goes on");
    }
    co_return std::move(mine->report);
}

// One in the set: each reads a whole source.
bool replica_set::impl::audit_under_way() const noexcept
{
    return std::ranges::any_of(loads, [](auto const& each) {
        return each.second->running && each.second->running_cause == load_cause::audit;
    });
}

void replica_set::impl::end_audit(std::string const& name, load_state& state, audit_outcome outcome, std::string why)
{
    auto const request = std::exchange(state.audit, nullptr);
    if (!request) return;
    request->report.outcome = outcome;
    request->report.why = std::move(why);
    request->done = true;
    request->changed.notify();
    if (outcome != audit_outcome::compared && outcome != audit_outcome::stopped) {
        log(db::level::warn, "tally " + name + ": an audit could not compare: " + request->report.why);
    }
}

// Who waits for an audit hears at once when there is nothing to compare any more.
void replica_set::impl::look_at_audits()
{
    for (auto const& [name, state] : loads) {
        auto const* const tally = find(name);
        if (!state->audit || state->audit->compared || tally == nullptr) continue;
        if (tally->epoch() != state->audit->epoch) {
            end_audit(name, *state, audit_outcome::changed, "the tally's definition changed");
        } else if (tally->state() != cache::state::live) {
            end_audit(name, *state, audit_outcome::lost, not_live(*tally));
        }
    }
}

void replica_set::impl::let_audits_go()
{
    for (auto const& [name, state] : loads) {
        end_audit(name, *state, audit_outcome::stopped, "the replicas are about to be stopped; nothing was compared");
    }
}

// The load of an audit has ended. If it failed, the tally follows its events as before; if it was given up, for the
// tally is not live any more, somebody has asked for another load or will when the transport is open. That there is
// another definition, or none, may be seen here before its event comes.
void replica_set::impl::audit_ended(std::string const& name, load_state& state, bool other, std::string const& why)
{
    auto* const tally = find(name);
    if (tally != nullptr) tally->abandon_load();
    if (state.audit) end_audit(name, state, other ? audit_outcome::changed : audit_outcome::failed, why);
    if (tally != nullptr && tally->state() != cache::state::live && !state.wanted) plan_load(name, load_cause::retry);
}

// The load of an audit is through.
asio::awaitable<void> replica_set::impl::audit_loaded(loader& mine, std::string name, std::shared_ptr<load_state> state)
{
    auto const& found = *state->report;
    if (!found.was_live) {
        end_audit(name, *state, audit_outcome::lost, "the tally stopped being live before it was compared");
        co_return;
    }
    std::vector<std::string> reasons;
    auto const* const tally = find(name);
    if (tally != nullptr && state->audit) state->audit->report.counters = tally->definition().counters;
    if (tally != nullptr && found.differed != 0) {
        mine.connection.set_timeout(answer_time());
        auto seen = co_await read_drift_evidence(mine.connection, name, tally->definition().source);
        seen.forged = found.forged;
        reasons = reasons_of(seen);
    }
    if (!state->gone && !stopping) audit_compared(name, *state, std::move(reasons));
}

void replica_set::impl::audit_compared(std::string const& name, load_state& state, std::vector<std::string> reasons)
{
    auto& found = *state.report;
    log(found.differed == 0 ? db::level::info : db::level::warn,
        "tally " + name + ": an audit compared " + std::to_string(found.compared) + " keys, " +
            std::to_string(found.differed) + " of them differed from the truth");
    for (auto const& reason : reasons) log(db::level::warn, "tally " + name + ": " + reason);
    ++counted.tallies[name].audits;
    if (state.audit) {
        auto& report = state.audit->report;
        report.keys = found.compared;
        report.differed = found.differed;
        report.drifted = std::move(found.drifted);
        report.reasons = std::move(reasons);
    }
    if (settings.on_audit) settings.on_audit(name);
    end_audit(name, state, audit_outcome::compared, {});
}

}  // namespace pgtally
