// Loads: whichever tally needs one gets one, as many at a time as there are loaders.

#include <pgtally/cache/replica/replica_set_impl.hpp>

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>

namespace pgtally {

namespace {

// What waiting does not cure, as far as can be told: rights, the definition's own expressions, a schema that is gone.
bool is_permanent(db::error const& e) noexcept
{
    return e.permanent() || e.state().in_class("42") || e.state().in_class("22") || e.state().is("3F000");
}

// The schema's word for a tally that is not there.
bool is_unknown_tally(db::error const& e) noexcept
{
    return e.state().is("42704");
}

}  // namespace

// Asked for by what the transport brought, or by hand.
void replica_set::impl::want_load(std::string_view name, load_cause cause)
{
    bool const definition_in_doubt =
        cause == load_cause::start || cause == load_cause::reconnect || cause == load_cause::definition;
    auto const at = loads.find(name);
    if (at != loads.end() && definition_in_doubt) at->second->definitions_needed = definitions_asked;
    plan_load(name, cause);
}

void replica_set::impl::plan_load(std::string_view name, load_cause cause)
{
    auto const at = loads.find(name);
    if (at == loads.end()) return;
    auto& state = *at->second;
    // A load under way that was given up is begun anew; one that goes on may serve, but not for what was asked after
    // it.
    state.wanted = true;
    state.cause = cause;
    if (state.held &&
        (cause == load_cause::reload || cause == load_cause::definition)) {  // perhaps that was the remedy
        next_look = clock::time_point{};
        control_wake.notify();
    }
    if (cause != load_cause::retry) state.not_before = clock::time_point::min();
    wake_loaders();
}

// Nothing of it is of use any more, and its connection may hang as the transport's did.
void replica_set::impl::give_up_load(std::string const& name)
{
    if (auto* const tally = find(name)) tally->abandon_load();
    auto const at = loads.find(name);
    if (at == loads.end()) return;
    at->second->done.notify();
    if (at->second->loading_on != nullptr) at->second->loading_on->close();
}

void replica_set::impl::wake_loaders()
{
    for (auto const& each : loaders) each->work.notify();
}

// The tally whose turn it is; else none, and `wake_at` tells when one's pause ends.
std::optional<std::string> replica_set::impl::next_load(clock::time_point now, clock::time_point& wake_at)
{
    wake_at = clock::time_point::max();
    if (!transport_open || definitions_read == 0) return std::nullopt;
    std::optional<std::string> to_audit;
    for (auto const& [name, state] : loads) {
        if (state->running || state->held) continue;
        if (!state->wanted) {
            if (state->audit && !to_audit) to_audit = name;
            continue;
        }
        if (definitions_read < state->definitions_needed) continue;
        auto const due = state->cause == load_cause::reload ? std::max(state->not_before, state->reloads.ready())
                                                            : state->not_before;
        if (due <= now) return name;
        wake_at = std::min(wake_at, due);
    }
    return audit_under_way() ? std::nullopt : to_audit;
}

asio::awaitable<void> replica_set::impl::load_forever(loader& mine)
{
    while (!stopping) {
        clock::time_point wake_at;
        auto const name = next_load(clock::now(), wake_at);
        if (name) co_await load_one(mine, *name);
        else co_await mine.work.wait_until(wake_at);
    }
}

asio::awaitable<void> replica_set::impl::load_one(loader& mine, std::string name)
{
    auto const state = loads.find(name)->second;
    auto const began = clock::now();
    state->running = true;
    state->loading_on = &mine.connection;
    bool const audits = !state->wanted;
    state->running_cause = audits ? load_cause::audit : state->cause;
    state->wanted = false;
    ++state->number;
    ++counted.tallies[name].loads[state->running_cause];
    state->report.reset();
    std::optional<std::string> failure;
    bool permanent = false, given_up = false, other = false;
    try {
        co_await attempt_load(mine, name, state);
        load_done(name, *state, began);
        if (audits) co_await audit_loaded(mine, name, state);
    } catch (db::error const& e) {
        given_up = e.code() == db::errc::closed;
        failure = e.what();
        permanent = is_permanent(e);
        other = is_unknown_tally(e);
    } catch (other_definition const& e) {
        failure = e.what();
        other = true;
    } catch (load_failure const& e) {
        failure = e.what();
        permanent = e.permanent;
    } catch (load_given_up const&) {
        given_up = true;
    }
    state->running = false;
    state->loading_on = nullptr;
    if (state->running_cause == load_cause::reload) state->reloads.done(clock::now(), clock::now() - began);
    // What failed may have been on a connection to another database than the transport's, as after a failover.
    if (failure || mine.connection.in_transaction()) mine.connection.close();
    if (stopping || state->gone) co_return;
    if (audits) audit_ended(name, *state, other, failure.value_or("it was given up"));
    else if (given_up) plan_load(name, state->wanted ? state->cause : load_cause::retry);
    else if (failure) load_failed(name, *state, *failure, permanent);
    end_turn();
    wake_loaders();
}

namespace {

// Finds the tally anew each time: it may be gone, or another load may have begun.
class target final : public load_target {
public:
    target(std::function<cache::tally*()> look) : look_{std::move(look)} {}
    cache::tally* wanted() noexcept override
    {
        auto* const tally = look_();
        if (tally == nullptr || (begun_ && !tally->loading())) return nullptr;
        begun_ = true;
        return tally;
    }

private:
    std::function<cache::tally*()> look_;
    bool begun_ = false;
};

}  // namespace

asio::awaitable<void> replica_set::impl::attempt_load(loader& mine, std::string name, std::shared_ptr<load_state> state)
{
    if (mine.generation != generation) mine.connection.close();
    mine.generation = generation;
    if (!mine.connection.is_open()) co_await mine.connection.connect(connection_settings());
    load_times const times{answer_time(), settings.load_patience};
    target into{[this, &name, &state] { return state->gone || stopping ? nullptr : find(name); }};
    co_await load_truth(mine.connection, name, times, into);
    co_await await_barrier(mine, name, state);
}

// Step 5: everything that the fence saw has arrived when this comes back.
asio::awaitable<void> replica_set::impl::await_barrier(loader& mine, std::string name,
                                                       std::shared_ptr<load_state> state)
{
    auto const number = state->number;
    auto const back = [this, name, state, number](std::string const& id) {
        if (state->gone || state->number != number) return;
        auto* const tally = find(name);
        if (tally != nullptr) take_report(*state, tally->barrier_back(id, settings.limits.max_rows_compared));
        state->done.notify();
    };
    auto const id = std::make_shared<std::string>();
    *id = expected.expect([back, id] { back(*id); });
    find(name)->await_barrier(*id);
    state->done.clear();
    mine.connection.set_timeout(answer_time());
    auto const payload = barriers::payload(*id);
    std::exception_ptr failure;
    try {
        co_await mine.connection.query("select pg_notify('tally', $1)", payload);
        auto const deadline = clock::now() + answer_time();
        if (!state->report) co_await state->done.wait_until(deadline);
    } catch (...) {
        failure = std::current_exception();
    }
    expected.forget(*id);
    if (failure) std::rethrow_exception(failure);
    co_await compare(name, state);
    if (state->report) co_return;
    auto const* const tally = state->gone ? nullptr : find(name);
    if (tally == nullptr || !tally->loading()) throw load_given_up{};
    throw load_failure{"its barrier did not come back", false};
}

// Some rows a turn, so that others are served meanwhile.
asio::awaitable<void> replica_set::impl::compare(std::string name, std::shared_ptr<load_state> state)
{
    while (!state->report) {
        auto* const tally = state->gone || stopping ? nullptr : find(name);
        if (tally == nullptr || !tally->comparing()) co_return;
        take_report(*state, tally->compare_more(settings.limits.max_rows_compared));
        end_turn();
        co_await asio::post(executor, asio::use_awaitable);
    }
}

void replica_set::impl::take_report(load_state& state, std::optional<cache::load_report> report)
{
    state.report = std::move(report);
    bool const audits = state.audit && state.running_cause == load_cause::audit;
    if (audits && state.report && state.report->was_live) state.audit->compared = true;
}

void replica_set::impl::load_done(std::string const& name, load_state& state, clock::time_point began)
{
    if (state.gone || stopping) return;
    auto const& report = *state.report;
    auto const seconds = std::chrono::duration<double>(clock::now() - began).count();
    state.pauses.reset();
    if (settings.on_load) settings.on_load(seconds);
    auto& count = counted.tallies[name];
    if (report.was_live) count.drift_keys += report.differed;
    if (!report.live && !state.wanted) plan_load(name, load_cause::reload);
    log(db::level::info,
        "tally " + name + (report.live ? ": live" : ": still stale") + " after a load (" +
            std::string{to_string(state.running_cause)} + ") of " + std::to_string(report.keys) + " keys in " +
            std::to_string(seconds) + " s" +
            (report.first ? "" : ", " + std::to_string(report.differed) + " of them other than served"));
    log_drift(name, report);
}

// What differed although the tally was live; of many keys the first.
void replica_set::impl::log_drift(std::string const& name, cache::load_report const& report)
{
    auto const* const tally = find(name);
    if (tally == nullptr || report.drifted.empty()) return;
    auto const shown = std::min(report.drifted.size(), max_logged_drift);
    for (std::size_t i = 0; i < shown; ++i) {
        log(db::level::warn,
            "tally " + name + ": " + describe(report.drifted[i], tally->definition().counters) + "; mended");
    }
    if (report.differed > shown) {
        log(db::level::warn, "tally " + name + ": so did " + std::to_string(report.differed - shown) + " more keys");
    }
}

void replica_set::impl::load_failed(std::string const& name, load_state& state, std::string const& why, bool permanent)
{
    auto* const tally = find(name);
    if (tally == nullptr) return;
    tally->abandon_load();
    if (!state.wanted) plan_load(name, load_cause::retry);
    state.not_before = clock::now() + state.pauses.next();
    auto const reason = "cannot load tally " + name + ": " + why;
    if (tally->state() == cache::state::failed && (deaf_for_good || state.held)) return;  // it is known why, and better
    if (tally->reason() != reason) log(permanent ? db::level::error : db::level::warn, reason);
    if (permanent) tally->fail(reason);
    else if (tally->state() == cache::state::failed || tally->state() == cache::state::stale) tally->lost(reason);
}

}  // namespace pgtally
