// The five steps of a load, one statement at a time.

#include "host.hpp"

namespace pgtally::sim {

void host::load_step(loader& mine, std::uint32_t luck)
{
    using step = loader::step;
    if (mine.at == step::back) return wait_for_barrier(mine);
    if (!schedule_.stands(*mine.order)) return give_up(mine);
    if (mine.at == step::connect) return connect_loader(mine);
    if (!mine.connection.alive()) return fail(mine, "the connection broke", false);
    if (mine.at != step::rows && wanted(mine) == nullptr) return give_up(mine);
    switch (mine.at) {
        case step::begin: return begin_transaction(mine);
        case step::draw:
            mine.drawn = mine.connection.at().draw();
            mine.at = step::wait;
            return;
        case step::wait:
            if (mine.connection.at().look().xmin > mine.drawn) mine.at = step::lock;
            return;
        case step::lock: return lock_source(mine, luck);
        case step::fence: return take_fence(mine);
        case step::rows:
            read_truth(mine);
            mine.at = step::more_rows;
            return take_rows(mine, 0, key_count / 2);
        case step::more_rows: mine.at = step::commit; return take_rows(mine, key_count / 2, key_count);
        case step::commit:
            if (mine.locked) mine.connection.at().unshare(mine.source);
            mine.locked = false;
            mine.at = step::barrier;
            return;
        default: return send_barrier(mine);
    }
}

void host::connect_loader(loader& mine)
{
    if (!mine.connection.open(env_)) return fail(mine, "no database", false);
    mine.reopening = rules_.reopenings();
    mine.at = loader::step::begin;
}

void host::begin_transaction(loader& mine)
{
    auto& tally = *find(mine.order->tally);
    if (auto const refusal = tally.begin_load(received_.stream_of(tally))) throw violation{*refusal};
    mine.at = transport_of(tally) == wal && env_.broken != flaw::visibility ? loader::step::draw : loader::step::lock;
}

void host::lock_source(loader& mine, std::uint32_t luck)
{
    constexpr std::uint32_t timeout_one_in = 16;
    auto const& there = mine.connection.at().definition(mine.source);
    if (there != meaning_of(*find(mine.order->tally))) return fail(mine, "its definition is another one", false, true);
    if (mine.connection.at().source_lost(mine.source)) return fail(mine, "there is no such table", true);
    if (env_.broken != flaw::lock) {
        if (luck % timeout_one_in == 0) return fail(mine, "a lock timeout", false);
        mine.locked = mine.connection.at().share(mine.source);
        if (!mine.locked) return;
    }
    read_source(mine);
    mine.at = loader::step::fence;
}

void host::read_source(loader const& mine)
{
    if (!env_.numbered || mine.order->audits() || env_.broken == flaw::late) return;
    looks_.load_reads(mine.order->tally, what_source_is(mine.connection, mine.source));
}

void host::take_fence(loader& mine)
{
    mine.seen = mine.connection.at().look();
    auto told = mine.seen;
    if (env_.broken == flaw::fence) ++told.xmax;
    env_.tell(name_, ": the fence of ", mine.order->tally, " is ", told.text());
    auto fence = cache::fence::parse(told.text());
    if (!fence) throw violation{"a snapshot cannot be parsed: " + told.text()};
    if (auto const refusal = find(mine.order->tally)->set_fence(std::move(*fence))) return fail(mine, *refusal, false);
    mine.at = loader::step::rows;
}

// Reads the truth as of the fence, but from the table's current file and by the current definition.
void host::read_truth(loader& mine)
{
    mine.as = mine.connection.at().definition(mine.source);
    auto const truth = mine.connection.at().truth(mine.source, mine.seen);
    auto const* const tally = find(mine.order->tally);
    bool const compares = env_.broken != flaw::comparison || tally == nullptr || !tally->has_counters();
    for (std::size_t key = 0; key < key_count; ++key) {
        mine.rows[key] = compares ? mine.as.counters(truth[key]) : counters_of(*tally, mine.as, key);
    }
}

void host::take_rows(loader& mine, std::size_t from, std::size_t to)
{
    auto* const tally = wanted(mine);
    if (tally == nullptr) return give_up(mine);
    if (!mine.as.exists) return fail(mine, "there is no such tally", true);
    for (std::size_t key = from; key < to; ++key) {
        if (mine.rows[key] == numbers{}) continue;
        auto const row = std::span{mine.rows[key]}.first(mine.as.width());
        if (auto const refusal = tally->add_truth_row(key_text(mine.as, key), row)) return fail(mine, *refusal, true);
    }
}

void host::send_barrier(loader& mine)
{
    auto const by = transport_of(*find(mine.order->tally));
    auto const id = std::make_shared<std::string>();
    auto back = [this, &mine, id, order = *mine.order](std::size_t) { take_barrier(mine, order, *id); };
    *id = expected_.expect(std::move(back), by);
    if (!mine.connection.at().send(by, barriers::payload(*id))) {
        expected_.forget(*id);  // the statement waits for a commit
        return;
    }
    mine.barrier = *id;
    if (auto const refusal = find(mine.order->tally)->await_barrier(*id)) throw violation{*refusal};
    mine.notified = false;
    mine.deadline = env_.now + env_.answer_time();
    mine.at = loader::step::back;
    if (env_.broken == flaw::barrier) expected_.came_back(*id, by);
}

void host::take_barrier(loader& mine, load_schedule::order const& order, std::string const& id)
{
    env_.tell(name_, ": the barrier of a load of ", order.tally, " comes back");
    if (!schedule_.stands(order)) return;
    take_report(mine, find(order.tally)->barrier_back(id, 1));
    mine.notified = true;
}

void host::take_report(loader& mine, std::optional<cache::load_report> report)
{
    mine.report = std::move(report);
    if (!mine.report) return;
    auto const& name = mine.order->tally;
    auto& forged = shown_[name].forged;
    bool const was_true = forged.empty();
    auto const& tally = *find(name);
    auto const mended = [&](forgery const& each) {
        return each.node != link_of(tally).connection.number() || tally.load_contains(cache::xid{each.xid});
    };
    std::erase_if(forged, mended);
    shown_[name].by_fence = transport_of(tally) == wal && !mine.report->live;
    if (mine.report->forged) throw violation{name + ": an honest event counts as forged"};
    if (was_true && mine.report->was_live && mine.report->differed != 0) {
        throw violation{name + ": it was live, and a load finds that it differed"};
    }
}

void host::wait_for_barrier(loader& mine)
{
    // Each step compares one row of a live tally; all other steps may happen in between.
    auto* tally = target_of(mine);
    if (!mine.report && tally != nullptr && tally->comparing()) {
        take_report(mine, tally->compare_more(1));
        if (tally->comparing()) return end_turn();
    }
    if (mine.report) return finish(mine);
    if (!mine.notified && env_.now < mine.deadline) return;
    expected_.forget(mine.barrier);
    tally = target_of(mine);
    if (tally == nullptr || !tally->loading()) return give_up(mine);
    fail(mine, "its barrier did not come back", false);
}

}  // namespace pgtally::sim
