// What loads.cpp does between its waits: it carries out what the schedule orders, and reports how that ended.

#include "host.hpp"

namespace pgtally::sim {

void host::want_load(std::string_view name, load_cause cause)
{
    schedule_.want(name, cause);
    if (find(name) != nullptr) rules_.wanted(name, cause);
    wake_loaders();
}

void host::give_up_load(std::string const& name)
{
    schedule_.give_up(name);
    if (auto* const tally = find(name)) tally->abandon_load();
    for (auto& each : loaders_) {
        if (!each.order || each.order->tally != name) continue;
        each.notified = true;
        close(each);
    }
}

void host::give_up_old_loads()
{
    for (auto const& each : loaders_) {
        if (!each.order || each.order->generation == schedule_.generation()) continue;
        auto const name = each.order->tally;
        give_up_load(name);
    }
}

void host::wake_loaders()
{
    for (auto& each : loaders_) each.wake_at = load_schedule::time_point::min();
    if (!schedule_.take_look_request()) return;
    for (auto const& [name, tally] : tallies_) {
        if (schedule_.held(name)) looks_.ask(name);
    }
    control_.next_look = milliseconds{0};
}

// A reset by hand, or an audit.
void host::reset(std::size_t tally, bool by_audit)
{
    auto const name = tally_name(tally);
    auto const* const of = find(name);
    if (!by_audit) return want_load(name, load_cause::reset);
    if (of == nullptr || of->state() != cache::state::live) return;
    schedule_.want_audit(name);
    wake_loaders();
}

void host::nag(std::size_t tally, std::size_t times, std::size_t which)
{
    constexpr int steps = 14;  // enough for a load
    for (std::size_t i = 0; i < times; ++i) {
        env_.tell("a reload is requested of ", tally_name(tally));
        env_.current().send_reload(tally);
        for (int step = 0; step < steps; ++step) {
            for (auto const by : {notify, wal}) receive(by, 1'000);
            load(which, 1);
        }
    }
}

void host::close(loader& mine)
{
    if (mine.locked && mine.connection.alive()) mine.connection.at().unshare(mine.source);
    mine.locked = false;
    mine.connection.close();
}

void host::break_loader(std::size_t which)
{
    close(loaders_[which % loaders_.size()]);
}

void host::load(std::size_t which, std::uint32_t luck)
{
    auto& mine = loaders_[which % loaders_.size()];
    if (mine.at != loader::step::idle) return load_step(mine, luck);
    if (now() < mine.wake_at) return;
    mine.order = schedule_.next(now());
    if (mine.order) begin_load(mine);
    else mine.wake_at = schedule_.wake_at();
}

void host::begin_load(loader& mine)
{
    auto const& order = *mine.order;
    env_.tell(name_, ": a load of ", order.tally, " begins (", to_string(order.cause), ")");
    rules_.begins(order);
    mine.report.reset();
    if (mine.generation != order.generation) close(mine);
    mine.generation = order.generation;
    if (mine.connection.alive()) rules_.uses_connection_of(mine.reopening);
    mine.begun = mine.notified = false;
    mine.source = order.tally == tally_name(0) ? 0 : 1;
    mine.at = mine.connection.alive() ? loader::step::begin : loader::step::connect;
}

// The tally, or null if the load is no longer wanted.
cache::tally* host::target_of(loader const& mine)
{
    return schedule_.stands(*mine.order) ? find(mine.order->tally) : nullptr;
}

cache::tally* host::wanted(loader& mine)
{
    auto* const tally = target_of(mine);
    if (tally == nullptr || (mine.begun && !tally->loading())) return nullptr;
    mine.begun = true;
    return tally;
}

// Next, the loader asks the schedule for another order.
load_schedule::order host::leave(loader& mine, bool failed, bool served)
{
    auto const order = *std::exchange(mine.order, std::nullopt);
    mine.at = loader::step::idle;
    mine.wake_at = load_schedule::time_point::min();
    if (mine.locked || failed) close(mine);
    rules_.ends(order, now(), failed);
    if (auto* const tally = find(order.tally); tally != nullptr && schedule_.under_way(order)) {
        tally->abandon_load();
        bool const reads_late = served && env_.broken == flaw::late && mine.connection.alive() && !order.audits();
        if (reads_late) looks_.load_reads(order.tally, what_source_is(mine.connection, mine.source));
        if (!order.audits()) looks_.load_ends(order.tally, served);
    }
    return order;
}

void host::finish(loader& mine)
{
    auto const order = leave(mine, false, true);
    auto const* const tally = find(order.tally);
    if (tally != nullptr) schedule_.done(order, *mine.report, tally->state(), now());
    wake_loaders();
    end_turn();
}

void host::give_up(loader& mine)
{
    auto const order = leave(mine, false);
    env_.tell(name_, ": the load of ", order.tally, " is given up");
    auto const* const tally = find(order.tally);
    if (tally != nullptr) schedule_.given_up(order, tally->state(), now());
    wake_loaders();
    end_turn();
}

void host::fail(loader& mine, std::string const& why, bool permanent, bool other_definition)
{
    using consequence = load_schedule::consequence;
    auto const order = leave(mine, true);
    env_.tell(name_, ": the load of ", order.tally, " failed: ", why);
    if (auto* const tally = find(order.tally)) {
        auto const follows = schedule_.failed(order, {permanent, false, other_definition}, tally->state(), now());
        if (other_definition) rules_.asked_for(order.tally);
        cache::reason const reason{cache::reason::kind::load_failed, why};
        if (follows == consequence::failed) tally->fail(reason);
        if (follows == consequence::stale) tally->lost(reason);
    }
    wake_loaders();
    end_turn();
}

}  // namespace pgtally::sim
