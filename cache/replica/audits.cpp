// Audits: loads whose caller wants to know what differed. `load_schedule` decides when they run.

#include <pgtally/cache/replica/audit_reasons.hpp>
#include <pgtally/cache/replica/replica_set_impl.hpp>

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
    if (!tally.reason().empty()) out += ": " + tally.reason().text();
    return out;
}

}  // namespace

asio::awaitable<audit_report> replica_set::impl::audit(std::string name, clock::time_point until)
{
    auto const* const tally = find(name);
    if (tally == nullptr) co_return no_comparison(audit_outcome::unknown, "there is no tally of this name");
    if (stopping) co_return no_comparison(audit_outcome::stopped, "the replicas were stopped");
    if (audits.contains(name)) {
        co_return no_comparison(audit_outcome::running, "an audit of this tally is under way");
    }
    if (tally->state() != cache::state::live) {
        ++counted.tallies[name].audits_failed;
        co_return no_comparison(audit_outcome::not_live, not_live(*tally));
    }
    auto const mine = std::make_shared<audit_request>(executor, tally->epoch());
    audits.emplace(name, mine);
    schedule.want_audit(name);
    wake_loaders();
    while (!mine->done) {
        bool const notified = co_await mine->changed.wait_until(until);
        if (!notified && !mine->done)
            co_return no_comparison(audit_outcome::late, "the audit has not finished yet; it goes on");
    }
    co_return std::move(mine->report);
}

// Reports the outcome to the audit's caller, if there is one.
void replica_set::impl::end_audit(std::string const& name, audit_outcome outcome, std::string why)
{
    auto const found = audits.extract(name);
    if (found.empty()) return;
    schedule.drop_audit(name);
    auto& request = *found.mapped();
    request.report.outcome = outcome;
    request.report.why = std::move(why);
    request.done = true;
    request.changed.notify();
    if (outcome != audit_outcome::compared && outcome != audit_outcome::stopped) {
        log(db::level::warn, "tally " + name + ": an audit could not compare: " + request.report.why);
        if (auto const of = counted.tallies.find(name); of != counted.tallies.end()) ++of->second.audits_failed;
    }
}

// If a tally stops being live, its audit has nothing to compare: the audit ends at once.
void replica_set::impl::look_at_audits()
{
    for (auto at = audits.begin(); at != audits.end();) {
        auto const& [name, request] = *at++;  // `end_audit` erases it
        auto const* const tally = find(name);
        if (request->compared || tally == nullptr) continue;
        if (tally->epoch() != request->epoch) {
            end_audit(tally->definition().name, audit_outcome::changed, "the tally's definition changed");
        } else if (tally->state() != cache::state::live) {
            end_audit(tally->definition().name, audit_outcome::lost, not_live(*tally));
        }
    }
}

void replica_set::impl::let_audits_go()
{
    while (!audits.empty()) {
        auto const name = audits.begin()->first;
        end_audit(name, audit_outcome::stopped, "the replicas are stopping; nothing was compared");
    }
}

// Ends an audit whose load has been compared.
asio::awaitable<void> replica_set::impl::finish_audit(loader& mine)
{
    auto const& order = *mine.order;
    auto const& found = *mine.report;
    if (stopping || !schedule.under_way(order)) co_return;
    if (!found.was_live) {
        end_audit(order.tally, audit_outcome::lost, "the tally stopped being live before it was compared");
        co_return;
    }
    std::vector<std::string> reasons;
    auto const* const tally = find(order.tally);
    auto const request = audits.find(order.tally);
    if (request != audits.end()) request->second->report.counters = tally->definition().counters;
    if (found.differed != 0) {
        mine.connection.set_timeout(answer_time());
        auto seen = co_await read_drift_evidence(mine.connection, order.tally, tally->definition().source);
        seen.forged = found.forged;
        reasons = reasons_of(seen);
    }
    if (!stopping && schedule.under_way(order)) audit_compared(mine, std::move(reasons));
}

void replica_set::impl::audit_compared(loader& mine, std::vector<std::string> reasons)
{
    auto const& name = mine.order->tally;
    auto& found = *mine.report;
    log(found.differed == 0 ? db::level::info : db::level::warn,
        "tally " + name + ": an audit compared " + std::to_string(found.compared) + " keys, " +
            std::to_string(found.differed) + " of them differed from the truth");
    for (auto const& reason : reasons) log(db::level::warn, "tally " + name + ": " + reason);
    auto& count = counted.tallies[name];
    ++(found.differed == 0 ? count.audits_equal : count.audits_drift);
    count.last_audit = std::chrono::system_clock::now();
    if (auto const request = audits.find(name); request != audits.end()) {
        auto& report = request->second->report;
        report.keys = found.compared;
        report.differed = found.differed;
        report.drifted = std::move(found.drifted);
        report.reasons = std::move(reasons);
    }
    if (settings.on_audit) settings.on_audit(name);
    end_audit(name, audit_outcome::compared, {});
}

}  // namespace pgtally
