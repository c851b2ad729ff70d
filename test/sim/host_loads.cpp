// What loads.cpp and loader.cpp do.

#include "host.hpp"

#include <algorithm>

namespace pgtally::sim {

void host::want_load(std::string_view name, load_cause cause)
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

void host::reset(std::size_t tally)
{
    want_load(tally_name(tally), load_cause::reset);
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

void host::load(std::size_t which, std::uint32_t luck)
{
    auto& mine = loaders_[which % loaders_.size()];
    if (mine.at != loader::step::idle) return load_step(mine, luck);
    if (!transport_open_ || !definitions_current()) return;
    for (auto const& [name, state] : loads_) {
        if (!state->wanted || state->running || state->not_before > env_.now) continue;
        mine.tally = name;
        mine.state = state;
        return begin_load(mine);
    }
}

void host::begin_load(loader& mine)
{
    env_.tell(name_, ": a load of ", mine.tally, " begins");
    auto& state = *mine.state;
    state.running = true;
    state.wanted = false;
    state.report.reset();
    mine.number = ++state.number;
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

void host::load_step(loader& mine, std::uint32_t luck)
{
    using step = loader::step;
    if (mine.at == step::connect) {
        if (mine.closed) return end_load(mine, true, std::nullopt, false);
        if (!mine.connection.open(env_)) return end_load(mine, false, "no database", false);
        mine.at = step::begin;
        return;
    }
    bool const waits_for_statement = mine.at != step::back;
    if (waits_for_statement && !mine.connection.alive()) return end_load(mine, true, std::nullopt, false);
    switch (mine.at) {
        case step::begin: {
            auto* const tally = wanted(mine);
            if (tally == nullptr) return end_load(mine, true, std::nullopt, false);
            tally->begin_load();
            mine.at = env_.wal && env_.broken != flaw::visibility ? step::draw : step::lock;
            return;
        }
        case step::draw:
            mine.drawn = mine.connection.at().draw();
            mine.at = step::wait;
            return;
        case step::wait:
            if (mine.connection.at().look().xmin > mine.drawn) mine.at = step::lock;
            return;
        case step::lock:
            if (auto const* const tally = wanted(mine)) {
                auto const& there = mine.connection.at().definition(mine.source);
                if (!there.exists || there != meaning_of(*tally))
                    return end_load(mine, false, "its definition is another one", false);
            }
            if (env_.broken != flaw::lock) {
                if (luck % 16 == 0) return end_load(mine, false, "a lock timeout", false);
                mine.locked = mine.connection.at().share(mine.source);
                if (!mine.locked) return;
            }
            mine.at = step::fence;
            return;
        case step::fence: {
            mine.seen = mine.connection.at().look();
            auto told = mine.seen;
            if (env_.broken == flaw::fence) ++told.xmax;
            auto* const tally = wanted(mine);
            if (tally == nullptr) return end_load(mine, true, std::nullopt, false);
            env_.tell(name_, ": the fence of ", mine.tally, " is ", told.text());
            auto fence = cache::fence::parse(told.text());
            if (!fence) throw violation{"a snapshot cannot be parsed: " + told.text()};
            if (auto const refusal = tally->fence_known(std::move(*fence)))
                return end_load(mine, false, refusal, false);
            mine.at = step::rows;
            return;
        }
        case step::rows:
            read_truth(mine);
            if (!mine.as.exists) return end_load(mine, false, "there is no such tally", true);
            mine.at = step::more_rows;
            return read_rows(mine, 0, key_count / 2);
        case step::more_rows: mine.at = step::commit; return read_rows(mine, key_count / 2, key_count);
        case step::commit:
            if (mine.locked) mine.connection.at().unshare(mine.source);
            mine.locked = false;
            if (wanted(mine) == nullptr) return end_load(mine, true, std::nullopt, false);
            mine.at = step::barrier;
            return;
        case step::barrier: return send_barrier(mine);
        case step::back:
            if (mine.state->report) return end_load(mine, false, std::nullopt, false);
            if (!mine.state->done && env_.now < mine.deadline) return;
            expected_.forget(mine.barrier);
            return end_load(mine, false, "it was given up, or its barrier did not come back", false);
        default: return;
    }
}

void host::read_truth(loader& mine)
{
    mine.as = mine.connection.at().definition(mine.source);
    auto const truth = mine.connection.at().truth(mine.source, mine.seen);
    auto const* const tally = find(mine.tally);
    bool const compares = env_.broken != flaw::comparison || tally == nullptr || !tally->has_counters();
    for (std::size_t key = 0; key < key_count; ++key) {
        mine.rows[key] = compares ? mine.as.counters(truth[key]) : counters_of(*tally, mine.as, key);
    }
}

void host::read_rows(loader& mine, std::size_t from, std::size_t to)
{
    auto* const tally = wanted(mine);
    if (tally == nullptr) return end_load(mine, true, std::nullopt, false);
    for (std::size_t key = from; key < to; ++key) {
        if (mine.rows[key] == numbers{}) continue;
        auto const row = std::span{mine.rows[key]}.first(mine.as.width());
        if (auto const refusal = tally->loaded(key_text(mine.as, key), row))
            return end_load(mine, false, refusal, true);
    }
}

void host::send_barrier(loader& mine)
{
    auto* const tally = wanted(mine);
    if (tally == nullptr) return end_load(mine, true, std::nullopt, false);
    auto const id = std::make_shared<std::string>();
    *id = expected_.expect([this, id, name = mine.tally, state = mine.state, number = mine.number] {
        if (state->gone || state->number != number) return;
        env_.tell(name_, ": the barrier of the load of ", name, " comes back");
        if (auto* const of = find(name)) state->report = of->barrier_back(*id);
        state->done = true;
    });
    if (!mine.connection.at().send(barriers::payload(*id))) {
        expected_.forget(*id);  // it waits for a commit
        return;
    }
    mine.barrier = *id;
    tally->await_barrier(*id);
    mine.state->done = false;
    mine.deadline = env_.now + env_.answer_time();
    mine.at = loader::step::back;
    if (env_.broken == flaw::barrier) expected_.came_back(*id);
}

void host::end_load(loader& mine, bool given_up, std::optional<std::string> const& failure, bool permanent)
{
    auto const state = std::exchange(mine.state, nullptr);
    mine.at = loader::step::idle;
    if (failure || mine.locked) close(mine);
    state->running = false;
    if (state->gone) return;
    if (given_up) {
        env_.tell(name_, ": the load of ", mine.tally, " is given up");
        want_load(mine.tally, state->wanted ? state->cause : load_cause::retry);
    } else if (failure) {
        mine.state = state;
        load_failed(mine, *failure, permanent);
        mine.state = nullptr;
    } else {
        env_.tell(name_, ": ", mine.tally, " is live after a load");
        state->failures = 0;
    }
    end_turn();
}

void host::load_failed(loader& mine, std::string const& why, bool permanent)
{
    auto* const tally = find(mine.tally);
    if (tally == nullptr) return;
    env_.tell(name_, ": the load of ", mine.tally, " failed: ", why);
    auto& state = *mine.state;
    tally->abandon_load();
    if (!state.wanted) want_load(mine.tally, load_cause::retry);
    state.failures = std::min(state.failures + 1, 7);
    state.not_before = env_.now + std::min(milliseconds{100 << state.failures}, milliseconds{10'000});
    if (permanent) tally->fail(why);
    else if (tally->state() == cache::state::failed || tally->state() == cache::state::stale) tally->lost(why);
}

}  // namespace pgtally::sim
