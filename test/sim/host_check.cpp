// The rules that a server must keep.

#include "host.hpp"

#include <algorithm>
#include <utility>

namespace pgtally::sim {

namespace {

std::size_t source_of(std::string const& name)
{
    return name == tally_name(0) ? 0 : 1;
}

std::string describe(meaning const& as, cache::counter_table const& table)
{
    std::string out;
    for (cache::counter_table::slot s = 0; s < table.end(); ++s) {
        if (!table.used(s) || table.is_zero(s)) continue;
        table.append_key(s, out);
        for (auto const value : table.counters(s)) out += ' ' + std::to_string(value);
        out += "; ";
    }
    return "(definition " + std::to_string(as.number) + ") " + out;
}

std::string describe(meaning const& as, sums const& truth)
{
    std::string out;
    for (std::size_t key = 0; key < key_count; ++key) {
        auto const counters = as.counters(truth[key]);
        if (counters == numbers{}) continue;
        out += key_text(as, key);
        for (std::size_t i = 0; i < as.width(); ++i) out += ' ' + std::to_string(counters[i]);
        out += "; ";
    }
    return "(definition " + std::to_string(as.number) + ") " + out;
}

void check_sums(cache::counter_table const& table)
{
    for (std::size_t i = 0; i < table.width(); ++i) {
        cache::wide_sum sum = 0;
        for (cache::counter_table::slot s = 0; s < table.end(); ++s) {
            if (table.used(s)) sum += table.counters(s)[i];
        }
        if (sum != table.sums()[i]) throw violation{"a table's sum is not the sum of its rows"};
    }
}

// The ranking by the first counter, which was asked for when the tally was new, has followed all that happened to it.
void check_ranking(cache::tally& tally)
{
    auto const& table = tally.table();
    auto const* const order = tally.questions().ranked(0, {});
    if (order == nullptr) throw violation{"a ranking of few rows is not complete"};
    std::vector<cache::counter_table::slot> rows(table.nonzero() + 1);
    if (order->read(0, rows) != table.nonzero()) throw violation{"a ranking has not as many rows as its table"};
    rows.pop_back();
    for (std::size_t i = 0; i < rows.size(); ++i) {
        if (!table.used(rows[i]) || table.is_zero(rows[i])) throw violation{"a ranking has a row that is 0"};
        if (i > 0 && table.counters(rows[i - 1])[0] < table.counters(rows[i])[0])
            throw violation{"a ranking is not in the order of its counter"};
    }
}

}  // namespace

// A live tally equals the truth after the events received so far by its transport.
void host::check_live(cache::tally const& tally, std::uint64_t now, shown& last) const
{
    auto const& name = tally.definition().name;
    auto const by = transport_of(tally);
    auto const& from = links_[by];
    if (!from.watch.is_open()) throw violation{name + ": it is live without its transport"};
    if (last.forged.empty() && now != from.connection.at().truth_at(by, source_of(name), from.position)) {
        throw violation{name_ + " serves " + name + " as " + describe(meaning_of(tally), tally.table()) +
                        "which no prefix of what was committed explains"};
    }
    bool const same_stream = last.by == by && last.node == from.connection.number();
    if (last.epoch == tally.epoch() && same_stream && from.position < last.position) {
        throw violation{name + ": what is served is older than what was served before"};
    }
    last.by = by;
    last.node = from.connection.number();
    last.position = from.position;
}

// A position means the same on every server: what is served there is the truth of the commits up to it.
void host::check_position(cache::tally const& tally, std::uint64_t now) const
{
    auto const [at, fresh] = env_.shown.try_emplace({tally.epoch(), tally.revision()}, now);
    if (fresh || at->second == now) return;
    throw violation{tally.definition().name + ": other counters were shown at the same position"};
}

// The tally stopped following in the middle of a batch: it equals the truth after some event of the batch.
void host::check_stopped(cache::tally const& tally, std::uint64_t now, shown& last) const
{
    auto const source = source_of(tally.definition().name);
    bool explained = std::exchange(last.by_fence, false) || !last.forged.empty();
    auto const by = transport_of(tally);
    auto const& from = links_[by];
    if (from.watch.is_open() && !explained) {
        bool const same_stream = last.by == by && last.node == from.connection.number();
        for (auto at = same_stream ? last.position : 0; at <= from.position && !explained; ++at) {
            explained = from.connection.at().truth_at(by, source, at) == now;
            last.position = at;
        }
        last.by = by;
        last.node = from.connection.number();
    }
    if (!explained) throw violation{tally.definition().name + ": its counters changed while it was not live"};
}

void host::check_served()
{
    for (auto const& [name, tally] : tallies_) {
        auto& last = shown_[name];
        auto const now = fingerprint(meaning_of(*tally), tally->table());
        bool const same_epoch = last.epoch == tally->epoch();
        bool const live = tally->state() == cache::state::live;
        if (same_epoch && tally->revision() < last.revision) throw violation{name + ": its revision went back"};
        if (same_epoch && tally->revision() == last.revision && now != last.truth) {
            throw violation{name + ": its counters changed, its revision did not"};
        }
        if (live) check_live(*tally, now, last);
        if (live && tally->shares_positions() && last.forged.empty()) check_position(*tally, now);
        else if (tally->has_counters() && same_epoch && now != last.truth) check_stopped(*tally, now, last);
        check_tags(*tally, last);
        last.epoch = tally->epoch();
        last.revision = tally->revision();
        last.truth = now;
    }
}

void host::check_heard() const
{
    for (auto const& each : links_) {
        if (each.hushed && env_.now > each.hushed_at + env_.answer_time()) {
            throw violation{name_ + " follows a transport that has been silent for longer than three heartbeats"};
        }
    }
}

// The ETag: if a key has another value, it changed at another revision.
void host::check_tags(cache::tally const& tally, shown& last) const
{
    auto const as = meaning_of(tally);
    bool const same_epoch = last.epoch == tally.epoch();
    for (std::size_t key = 0; key < key_count; ++key) {
        tag const now{tally.changed_at(as_key(as, key)), counters_of(tally, as, key)};
        auto& before = last.tags[key];
        if (same_epoch && tally.has_counters() && before.changed_at == now.changed_at && before.value != now.value) {
            throw violation{tally.definition().name + ": a key changed, the revision at which it did did not"};
        }
        before = now;
    }
}

void host::mend()
{
    for (std::size_t i = 0; i < env_.tallies; ++i) {
        auto const at = shown_.find(tally_name(i));
        if (at == shown_.end()) continue;
        bool const forged = std::ranges::any_of(at->second.forged, [](forgery const& each) { return !each.unseen; });
        if (forged) reset(i, true);
    }
}

bool host::settled()
{
    for (auto const by : {notify, wal}) {
        auto const& from = links_[by];
        if (!from.used) continue;
        if (!from.watch.is_open() || from.hushed || !from.connection.alive()) return false;
        if (from.connection.number() != env_.named) return false;
        if (from.position != from.connection.at().stream(by).size()) return false;
    }
    if (!schedule_.definitions_current()) return false;
    for (auto const& each : loaders_) {
        if (each.order && env_.can_be_live(source_of(each.order->tally))) return false;
    }
    for (std::size_t i = 0; i < env_.tallies; ++i) {
        auto const* const tally = find(tally_name(i));
        auto const& as = env_.current().definition(i);
        if ((tally != nullptr) != as.exists) return false;
        if (tally == nullptr) continue;
        if (meaning_of(*tally) != as || rules_.is_held(tally_name(i)) != env_.fails(env_.current(), i)) return false;
        bool const can_be_live = env_.can_be_live(i);
        if (tally->state() != (can_be_live ? cache::state::live : cache::state::failed)) return false;
        if (can_be_live && !shown_[tally_name(i)].forged.empty()) return false;
    }
    return true;
}

void host::check_quiet()
{
    for (std::size_t i = 0; i < env_.tallies; ++i) {
        auto* const tally = find(tally_name(i));
        if (tally == nullptr || !env_.can_be_live(i)) continue;
        auto const as = meaning_of(*tally);
        auto const truth = env_.current().truth(i, env_.current().look());
        if (fingerprint(as, tally->table()) != fingerprint(as, truth)) {
            throw violation{name_ + ": the writers pause, the truth of " + tally->definition().name + " is " +
                            describe(as, truth) + "and served is " + describe(as, tally->table())};
        }
        check_sums(tally->table());
        check_ranking(*tally);
    }
    for (auto const& each : clients_) each->check();
}

}  // namespace pgtally::sim
