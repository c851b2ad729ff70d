#include "world.hpp"

#include "random.hpp"

#include <utility>

namespace pgtally::sim {

namespace {

cache::limits bounds_of(std::uint8_t which)
{
    cache::limits result;
    if (which == 0) return result;
    result.max_keys_in_message = 1 + which;
    result.min_remembered_zeros = which - 1U;
    if (which == 3) result.max_kept_bytes = 700;
    if (which == 4) result.max_keys = 4;
    if (which == 5) result.max_keys = 6;
    return result;
}

std::vector<sums> initial_rows(history const& what)
{
    random chance{~what.seed};
    std::vector<sums> out(what.tallies);
    for (auto& of : out) {
        for (auto& row : of) {
            if (chance.chance(60)) row = {chance.below(9), chance.below(5)};
        }
    }
    return out;
}

}  // namespace

world::world(history const& what, flaw broken, std::ostream* trace) : history_{what}
{
    env_.tallies = what.tallies;
    env_.broken = broken;
    env_.trace = trace;
    env_.numbered = what.numbered;
    env_.may_repair = what.may_repair;
    database::options chosen{what.tallies, {}, broken};
    for (std::size_t i = 0; i < what.tallies; ++i) {
        chosen.first[i].number = what.first_definition[i];
        chosen.first[i].by = what.wal[i] ? wal : notify;
        chosen.first[i].v = env_.next_number();
        env_.tell(tally_name(i), " by ", transport_names[chosen.first[i].by]);
    }
    auto const rows = initial_rows(what);
    env_.nodes.push_back(std::make_unique<database>(chosen, rows));
    env_.tell(int{what.tallies}, " tallies, ", int{what.servers}, " servers with ", int{what.loaders},
              " loaders, bounds ", int{what.bounds}, what.materialize ? ", materialized" : "",
              what.slow ? ", events arrive slowly" : "", what.numbered ? ", numbered" : "",
              what.may_repair ? ", servers may repair" : "");
    auto const bounds = bounds_of(what.bounds);
    env_.max_keys = std::min(bounds.max_keys, key_count);
    for (std::size_t i = 0; i < what.servers; ++i) {
        hosts_.push_back(std::make_unique<host>(env_, i == 0 ? "A" : "B", bounds, what.loaders, what.seed + i));
        for (std::size_t tally = 0; what.materialize && tally < what.tallies; ++tally) {
            keepers_.push_back(std::make_unique<keeper>(env_, *hosts_.back(), tally));
        }
    }
}

void world::play()
{
    for (auto const& each : history_.steps) take(each);
    come_to_rest(history_.steps.empty() ? 0 : history_.steps.back().how);
}

void world::take(step const& s)
{
    if (!take_as_writer(s) && !take_as_server(s)) take_as_fault(s);
}

void world::let_time_pass(milliseconds how_long)
{
    env_.now += how_long;
    for (auto const& each : hosts_) {
        each->watch();
        each->check_heard();
        each->check_served();
    }
}

// The writers pause: open transactions commit, roll back, or stay open if no other session waits for them.
void world::end_transactions(std::uint32_t how)
{
    auto& at = env_.current();
    for (std::size_t who = 0; who < database::session_count; ++who) {
        if (at.show(who)) env_.tell("writer ", who, "'s commit is visible");
    }
    for (std::size_t who = 0; who < database::session_count; ++who) {
        auto const& writer = at.writer(who);
        // By wal, a load waits for every transaction that is older than it.
        bool waited_for = history_.wal[0] || history_.wal[1] || history_.changes_by;
        for (auto const& held : writer.held) waited_for = waited_for || held.owns;
        // A repair waits for the source's writers.
        for (std::size_t tally = 0; tally < env_.tallies; ++tally) waited_for = waited_for || at.triggers_lost(tally);
        if (!waited_for && (how >> who) % 2 == 1) continue;
        bool const commits = (how >> (who + 4)) % 2 == 0;
        auto const xid = writer.xid;
        if (commits ? at.flush(who) && at.show(who) : at.rollback(who)) {
            env_.tell("writer ", who, " (", xid, commits ? ") commits" : ") rolls back");
        }
    }
}

void world::turn_servers()
{
    for (auto const& each : hosts_) {
        for (auto const by : {notify, wal}) each->receive(by, 1'000);
        for (int i = 0; i < 3; ++i) each->control();
        each->repair();
        for (std::uint32_t i = 0; i < 4; ++i) each->load(i, 1);
    }
    // Each server receives what all servers have sent.
    for (auto const& each : hosts_) {
        for (auto const by : {wal, notify}) each->receive(by, 1'000);
    }
    for (auto const& each : keepers_) each->step();
}

bool world::at_rest()
{
    for (auto const& each : hosts_) {
        if (!each->settled()) return false;
    }
    return keepers_at_rest();
}

bool world::keepers_at_rest()
{
    if (keepers_.empty()) return true;
    for (std::size_t tally = 0; tally < env_.tallies; ++tally) {
        bool written = !env_.can_be_live(tally);
        for (std::size_t i = tally; i < keepers_.size(); i += env_.tallies) {
            written = written || keepers_[i]->settled();
        }
        if (!written) return false;
    }
    return true;
}

void world::come_to_rest(std::uint32_t how)
{
    constexpr int patience = 100;
    env_.tell("the writers pause");
    end_transactions(how);
    if ((how >> 8) % 2 == 0) stop_old();
    else leave_old();
    for (std::size_t tally = 0; tally < env_.tallies; ++tally) {
        if ((how >> 9) % 2 == 0 && env_.current().source_lost(tally)) rename_source(tally);
    }
    for (int turns = 0; !at_rest(); ++turns) {
        if (turns == patience) throw violation{"the writers pause, but not everything comes to rest and is live"};
        for (auto const& each : hosts_) each->mend();
        turn_servers();
        let_time_pass(env_.heartbeat / 2);
    }
    env_.tell("all is at rest");
    for (auto const& each : hosts_) {
        each->check_served();
        each->check_quiet();
    }
    for (auto const& each : keepers_) each->check_quiet();
}

std::optional<std::string> play(history const& what, flaw broken, std::ostream* trace)
{
    try {
        world{what, broken, trace}.play();
        return std::nullopt;
    } catch (violation const& e) {
        if (trace != nullptr) *trace << "FAILED: " << e.what() << '\n';
        return e.what();
    }
}

}  // namespace pgtally::sim
