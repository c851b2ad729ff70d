// Loads, as `load_schedule` orders them: each loader waits for an order, carries it out, and reports how it ended.

#include <pgtally/cache/replica/database_reason.hpp>
#include <pgtally/cache/replica/explain.hpp>
#include <pgtally/cache/replica/replica_set_impl.hpp>

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <utility>

namespace pgtally {

namespace {

// Whether waiting does not cure the error, as far as the SQLSTATE tells: missing rights, errors of the definition's own
// expressions, a missing schema, a limit of the configuration.
bool is_permanent(db::error const& e) noexcept
{
    return e.permanent() || e.state().in_class("42") || e.state().in_class("22") || e.state().is("3F000") ||
           e.state().is("53400");
}

// The schema raises this error for a tally that does not exist.
bool is_unknown_tally(db::error const& e) noexcept
{
    return e.state().is("42704");
}

// Looks the tally up each time: while the load waits, the tally may be removed, or may end the load.
class target final : public load_target {
public:
    target(std::function<cache::tally*()> find, cache::stream const* by, std::function<void(std::string)> take,
           std::function<void(cache::tally&, cache::reason)> told)
        : find_{std::move(find)}, by_{by}, take_{std::move(take)}, told_{std::move(told)}
    {
    }
    cache::stream const* stream() noexcept override { return by_; }
    bool waits(cache::reason why) override
    {
        auto* const tally = wanted();
        if (tally != nullptr) told_(*tally, std::move(why));
        return tally != nullptr;
    }
    cache::tally* wanted() noexcept override
    {
        auto* const tally = find_();
        if (tally == nullptr || (begun_ && !tally->loading())) return nullptr;
        begun_ = true;
        return tally;
    }
    void source_is(std::string fingerprint) override { take_(std::move(fingerprint)); }

private:
    std::function<cache::tally*()> find_;
    cache::stream const* by_;
    std::function<void(std::string)> take_;
    std::function<void(cache::tally&, cache::reason)> told_;
    bool begun_ = false;
};

}  // namespace

void replica_set::impl::want_load(std::string_view name, load_cause cause)
{
    schedule.want(name, cause);
    wake_loaders();
}

// Also closes the load's connection: it may hang as the transport's connection did.
void replica_set::impl::give_up_load(std::string const& name)
{
    schedule.give_up(name);
    if (auto* const tally = find(name)) tally->abandon_load();
    for (auto const& each : loaders) {
        if (!each->order || each->order->tally != name) continue;
        each->done.notify();
        each->connection.close();
    }
}

// Called when a transport opened again. A load under way may be connected to another server. There it may wait for
// transactions that do not exist on the present server, and its barrier would not come back.
void replica_set::impl::give_up_old_loads()
{
    for (auto const& each : loaders) {
        if (!each->order || each->order->generation == schedule.generation()) continue;
        auto const name = each->order->tally;
        give_up_load(name);
    }
}

// Must be called after each change to the schedule.
void replica_set::impl::wake_loaders()
{
    for (auto const& each : loaders) each->work.notify();
    if (!schedule.take_look_request()) return;
    for (auto const& [name, tally] : replicas) {
        if (schedule.held(name)) looks.ask(name);
    }
    next_findings = std::min(next_findings, last_look + reading_interval);  // for a schema that does not look
    hasten_look();
}

asio::awaitable<void> replica_set::impl::load_forever(loader& mine)
{
    while (!stopping) {
        mine.order = schedule.next(clock::now());
        if (mine.order) co_await load_one(mine);
        else co_await mine.work.wait_until(schedule.wake_at());
    }
}

asio::awaitable<void> replica_set::impl::load_one(loader& mine)
{
    ++counted.tallies[mine.order->tally].loads[mine.order->cause];
    mine.report.reset();
    std::optional<load_ending> ending{std::in_place};
    try {
        co_await attempt_load(mine);
        load_done(mine);
        if (mine.order->audits()) co_await finish_audit(mine);
        ending.reset();
    } catch (db::error const& e) {
        ending->given_up = e.code() == db::errc::closed;
        ending->permanent = is_permanent(e);
        ending->other_definition = is_unknown_tally(e);
        ending->failure = with_remedy(e.what(), remedy_for(e));
        ending->state = e.state().view();
        ending->what = kind_of(e, ending->what);
    } catch (other_definition const& e) {
        ending->other_definition = true;
        ending->failure = e.what();
    } catch (load_failure const& e) {
        ending->permanent = e.permanent;
        ending->failure = e.what();
    } catch (load_given_up const&) {
        ending->given_up = true;
    }
    end_load(mine, ending);
}

void replica_set::impl::end_load(loader& mine, std::optional<load_ending> const& ending)
{
    auto const order = *std::exchange(mine.order, std::nullopt);
    // After a failover the connection may lead to another server than the transport's: a failed load closes it.
    bool const failed = ending && ending->failure;
    if (failed || mine.connection.in_transaction()) mine.connection.close();
    auto* const tally = find(order.tally);
    if (stopping || tally == nullptr || !schedule.under_way(order)) return;
    tally->abandon_load();
    if (!order.audits()) looks.load_ends(order.tally, !ending);
    if (order.audits()) {
        bool const changed = ending && ending->other_definition;
        end_audit(order.tally, changed ? audit_outcome::changed : audit_outcome::failed,
                  failed ? *ending->failure : "the load was given up");
    }
    if (!ending) schedule.done(order, *mine.report, tally->state(), clock::now());
    else if (ending->given_up) schedule.given_up(order, tally->state(), clock::now());
    else load_failed(order, *tally, *ending);
    end_turn();
    wake_loaders();
}

// The tally of the load while the load is wanted, otherwise null.
cache::tally* replica_set::impl::target_of(loader const& mine) noexcept
{
    return stopping || !schedule.stands(*mine.order) ? nullptr : find(mine.order->tally);
}

asio::awaitable<void> replica_set::impl::attempt_load(loader& mine)
{
    if (mine.generation != mine.order->generation) mine.connection.close();
    mine.generation = mine.order->generation;
    if (!mine.connection.is_open()) {
        co_await mine.connection.connect(session_config(session_kind::loader, settings.database));
    }
    load_times const times{answer_time(), settings.load_patience};
    // An audit compares what is served: what it reads of the source says nothing about the load that is served.
    auto const take = [this, &mine](std::string fingerprint) {
        if (target_of(mine) != nullptr && !mine.order->audits()) {
            looks.load_reads(mine.order->tally, std::move(fingerprint));
        }
    };
    auto const* const wanted = target_of(mine);
    auto const index = wanted == nullptr ? std::nullopt : received.transport_of(*wanted);
    auto const by = index ? transports[*index].channel : nullptr;
    if (!by) throw load_given_up{};
    target into{[this, &mine] { return target_of(mine); }, &received.stream_at(*index), take,
                [this](cache::tally& tally, cache::reason why) { load_waits(tally, std::move(why)); }};
    co_await load_truth(mine.connection, schema_version, *by, mine.order->tally, times, into);
    co_await await_barrier(mine, by, *index);
}

// A live tally goes on: an audit waits.
void replica_set::impl::load_waits(cache::tally& tally, cache::reason why)
{
    auto& logged = load_trouble[tally.definition().name];
    if (std::exchange(logged, why.text()) != why.text()) log(db::level::warn, why.text());
    tally.explain(std::move(why));
    end_turn();
}

// Steps 4 and 5: when the barrier comes back, everything that the fence contains has arrived.
asio::awaitable<void> replica_set::impl::await_barrier(loader& mine, std::shared_ptr<transport> by, std::size_t index)
{
    auto const id = std::make_shared<std::string>();
    auto const back = [this, &mine, id, order = *mine.order](std::size_t) {
        if (!schedule.stands(order)) return;
        auto* const tally = find(order.tally);
        if (tally != nullptr) take_report(mine, tally->barrier_back(*id, settings.limits.max_rows_compared));
        mine.done.notify();
    };
    auto* const waiting = target_of(mine);
    if (waiting == nullptr) throw load_given_up{};
    *id = expected.expect(back, index);
    mine.done.clear();
    mine.connection.set_timeout(answer_time());
    auto const payload = barriers::payload(*id);
    std::exception_ptr failure;
    try {
        if (auto const refusal = waiting->await_barrier(*id)) throw load_failure{*refusal, false};
        co_await by->send(mine.connection, payload);
        auto const deadline = clock::now() + answer_time();
        if (!mine.report) co_await mine.done.wait_until(deadline);
    } catch (...) {
        failure = std::current_exception();
    }
    expected.forget(*id);
    if (failure) std::rethrow_exception(failure);
    co_await compare(mine);
    if (mine.report) co_return;
    auto const* const tally = target_of(mine);
    if (tally == nullptr || !tally->loading()) throw load_given_up{};
    throw load_failure{"its barrier did not come back", false};
}

// Compares some rows a turn, so that subscribers are served meanwhile.
asio::awaitable<void> replica_set::impl::compare(loader& mine)
{
    while (!mine.report) {
        auto* const tally = target_of(mine);
        if (tally == nullptr || !tally->comparing()) co_return;
        take_report(mine, tally->compare_more(settings.limits.max_rows_compared));
        end_turn();
        co_await asio::post(executor, asio::use_awaitable);
    }
}

void replica_set::impl::take_report(loader& mine, std::optional<cache::load_report> report)
{
    mine.report = std::move(report);
    if (!mine.report || !mine.report->was_live || !mine.order->audits()) return;
    auto const request = audits.find(mine.order->tally);
    if (request != audits.end()) request->second->compared = true;
}

void replica_set::impl::load_done(loader& mine)
{
    auto const& order = *mine.order;
    if (stopping || !schedule.under_way(order)) return;
    auto const& report = *mine.report;
    load_trouble.erase(order.tally);
    auto const seconds = std::chrono::duration<double>(clock::now() - order.began).count();
    if (settings.on_load) settings.on_load(seconds);
    if (report.was_live) counted.tallies[order.tally].drift_keys += report.differed;
    log(db::level::info,
        "tally " + order.tally + (report.live ? ": live" : ": still stale") + " after a load (" +
            std::string{to_string(order.cause)} + ") of " + std::to_string(report.keys) + " keys in " +
            std::to_string(seconds) + " s" +
            (report.first ? "" : ", " + std::to_string(report.differed) + " of them differed from what was served"));
    log_drift(order.tally, report);
}

// Logs the keys that differed although the tally was live; if there are many, the first ones.
void replica_set::impl::log_drift(std::string const& name, cache::load_report const& report)
{
    auto const* const tally = find(name);
    if (tally == nullptr || report.drifted.empty()) return;
    auto const shown = std::min(report.drifted.size(), max_logged_drift);
    for (std::size_t i = 0; i < shown; ++i) {
        log(db::level::warn,
            "tally " + name + ": " + describe(report.drifted[i], tally->definition().counters) + "; corrected");
    }
    if (report.differed > shown) {
        log(db::level::warn,
            "tally " + name + ": " + std::to_string(report.differed - shown) + " more keys differed from the truth");
    }
}

void replica_set::impl::load_failed(load_schedule::order const& order, cache::tally& tally, load_ending const& ending)
{
    using consequence = load_schedule::consequence;
    ++counted.tallies[order.tally].load_failures[ending.state];
    auto const index = received.transport_of(tally);
    load_schedule::failure const why{ending.permanent, !index || transports[*index].watch.deaf_for_good(),
                                     ending.other_definition};
    auto const follows = schedule.failed(order, why, tally.state(), clock::now());
    if (ending.other_definition) control_wake.notify();
    if (follows == consequence::none) return;
    cache::reason const reason{ending.what, "cannot load tally " + order.tally + ": " + ending.failure.value_or("")};
    // The same reason is logged once, until a load succeeds.
    auto& logged = load_trouble[order.tally];
    bool const news = std::exchange(logged, reason.text()) != reason.text();
    if (news) log(ending.permanent ? db::level::error : db::level::warn, reason.text());
    if (follows == consequence::failed) tally.fail(reason);
    if (follows == consequence::stale) tally.lost(reason);
}

}  // namespace pgtally
