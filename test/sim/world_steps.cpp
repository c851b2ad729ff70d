// The steps of a history.

#include "world.hpp"

namespace pgtally::sim {

namespace {

constexpr std::size_t low(std::uint32_t how, unsigned from, unsigned bits) noexcept
{
    return (how >> from) & ((1U << bits) - 1);
}

numbers delta_of(std::uint32_t bits) noexcept
{
    return {static_cast<std::int64_t>(low(bits, 0, 2)) - 1, static_cast<std::int64_t>(low(bits, 2, 2)) - 1};
}

}  // namespace

bool world::write(database& at, std::size_t who, std::uint32_t how)
{
    std::vector<changed_key> keys;
    std::size_t const count = low(how, 8, 2) == 0 ? 3 : 1;
    for (std::size_t i = 0; i < count; ++i) {
        keys.push_back({(low(how, 10, 3) + i) % key_count, delta_of(how >> (16 + 4 * i))});
    }
    return at.write(who, low(how, 0, 4) % env_.tallies, keys);
}

bool world::define(database& at, std::size_t who, std::size_t tally, std::uint32_t how)
{
    auto what = at.definition(tally);
    bool const drops = what.exists && how % 4 == 0, made_again = what.exists && how % 4 == 1 && env_.numbered;
    if (!drops && !made_again) what.number = definitions_++;
    what.exists = !drops;
    what.v = env_.next_number();
    if (history_.changes_by && how % 32 >= 16) what.by = what.by == wal ? notify : wal;
    if (how % 8 == 7 && !made_again) what.number += 3;  // skips some kinds of definitions
    definitions_ = std::max(definitions_, what.number + 1);
    return at.define(who, tally, what);
}

bool world::take_as_writer(step const& s)
{
    static constexpr char const* names[]{
        "writes to ", "writes unseen to ", "writes uncounted to ",        "truncates ",       "rewrites ",
        "defines ",   "sets a savepoint",  "rolls back to its savepoint", "flushes a commit", "makes it visible",
        "commits",    "rolls back"};
    if (s.what > act::rollback) return false;
    auto& at = env_.current();
    std::size_t const who = s.who % database::session_count, tally = low(s.how, 0, 4) % env_.tallies;
    bool done = false, about_a_tally = s.what <= act::define;
    auto const before = at.writer(who).xid;
    switch (s.what) {
        case act::write: done = write(at, who, s.how); break;
        case act::write_unseen: done = at.write_unseen(who, tally, {low(s.how, 10, 3), delta_of(s.how >> 16)}); break;
        case act::write_uncounted:
            done = at.write_uncounted(who, tally, {low(s.how, 10, 3), delta_of(s.how >> 16)}, low(s.how, 8, 1) == 0);
            break;
        case act::truncate: done = at.truncate(who, tally); break;
        case act::rewrite: done = at.rewrite(who, tally); break;
        case act::define: done = define(at, who, tally, s.how >> 4); break;
        case act::savepoint: done = at.set_savepoint(who); break;
        case act::rollback_to_savepoint: done = at.rollback_to_savepoint(who); break;
        case act::flush: done = at.flush(who); break;
        case act::show: done = at.show(who); break;
        case act::commit: done = at.flush(who) && at.show(who); break;
        default: done = at.rollback(who); break;
    }
    if (!done || env_.trace == nullptr) return true;
    env_.tell("writer ", who, " (", before == 0 ? at.writer(who).xid : before, ") ",
              names[static_cast<std::size_t>(s.what)], about_a_tally ? tally_name(tally) : std::string{});
    if (about_a_tally && !at.writer(who).work.messages.empty()) {
        env_.tell("    ", at.writer(who).work.messages.back().text);
    }
    return true;
}

bool world::take_as_server(step const& s)
{
    auto& mine = *hosts_[s.who % hosts_.size()];
    switch (s.what) {
        case act::receive: mine.receive(low(s.how, 3, 1), history_.slow ? 1 : 1 + low(s.how, 0, 3)); return true;
        case act::control: mine.control(); return true;
        case act::load: mine.load(low(s.how, 0, 4), s.how >> 4); return true;
        case act::reset: mine.reset(low(s.how, 0, 4) % env_.tallies, low(s.how, 4, 1) == 0); return true;
        case act::nag: mine.nag(low(s.how, 0, 4) % env_.tallies, 1 + low(s.how, 4, 3), low(s.how, 8, 4)); return true;
        case act::repair: mine.repair(); return true;
        case act::await_write: mine.await_write(low(s.how, 0, 4) % env_.tallies); return true;
        case act::take: mine.take(low(s.how, 0, 4)); return true;
        case act::subscribe: mine.change_subscription(low(s.how, 0, 4), s.how >> 4); return true;
        case act::hop:
            if (hosts_.size() > 1) hosts_[0]->exchange_subscribers(*hosts_[1], low(s.how, 0, 4));
            return true;
        case act::keep:
            if (keepers_.empty()) return true;
            if (low(s.how, 8, 5) == 0) keepers_[s.how % keepers_.size()]->want_everything();
            keepers_[s.how % keepers_.size()]->step();
            return true;
        default: return false;
    }
}

void world::take_as_fault(step const& s)
{
    auto& mine = *hosts_[s.who % hosts_.size()];
    switch (s.what) {
        case act::wait: return let_time_pass(milliseconds{low(s.how, 0, 2) == 0 ? 6'000 : s.how % 500});
        case act::cut_transport: return mine.break_transport(low(s.how, 3, 1));
        case act::hush_transport: return mine.hush_transport(low(s.how, 3, 1));
        case act::overflow: return mine.overflow(low(s.how, 3, 1));
        case act::cut_loader: return mine.break_loader(s.how);
        case act::cut_control: return mine.break_control();
        case act::cut_keeper:
            if (!keepers_.empty()) keepers_[s.how % keepers_.size()]->break_connection();
            return;
        case act::junk: return junk(s.how);
        case act::forge: return forge(s.how);
        case act::rename_source: return rename_source(low(s.how, 0, 4) % env_.tallies);
        case act::change_unseen:
        case act::restore:
        case act::drop_triggers: return change_source(s);
        case act::crash: env_.tell("the database crashes and starts again"); return env_.current().crash();
        case act::failover: return fail_over(s.how);
        case act::stop_old: return stop_old();
        case act::quiet: return come_to_rest(s.how);
        default: return;
    }
}

// Any role can send these payloads. None of them may change a counter.
void world::junk(std::uint32_t how)
{
    static constexpr char const* texts[]{"",
                                         "{",
                                         "hello",
                                         "null",
                                         R"({"barrier":"6f1c1c3e-0000-4000-8000-000000000000"})",
                                         R"({"t":"likes","x":"99999","n":1,"d":[["1",1,2,3]]})",
                                         R"({"t":"likes","x":"99999","n":1,"d":[["1"]]})",
                                         R"({"t":"likes","x":"0","n":1,"d":[["1",1,2]]})",
                                         R"({"t":"nobody","x":"99999","n":1,"truncate":true})",
                                         R"({"t":"likes","x":"99999","n":1,"reload":true})",
                                         R"({"t":"likes","x":"99999","n":1,"definition":true})",
                                         R"({"t":"likes","v":99999,"x":"99999","n":1,"d":[["1",1]]})",
                                         R"({"t":"likes","x":"99999","n":1,"broken":"42703 forged"})"};
    env_.tell("a role sends ", texts[how % std::size(texts)]);
    env_.current().send(low(how, 16, 1), texts[how % std::size(texts)]);
}

// A forged event makes a tally wrong until the next load, for instance an audit.
void world::forge(std::uint32_t how)
{
    std::size_t const by = low(how, 13, 1);
    env_.tell("a role forges an event, by ", transport_names[by]);
    env_.current().forge(by, low(how, 0, 4) % env_.tallies, {low(how, 10, 3), {3, -2}});
}

void world::rename_source(std::size_t tally)
{
    if (!env_.current().rename_source(tally)) return;
    env_.tell("the source of ", tally_name(tally),
              env_.current().source_lost(tally) ? " is renamed" : " has its name back");
}

// Changes of which no event tells. Only a schema that can be looked at shows them.
void world::change_source(step const& s)
{
    if (!env_.numbered) return;
    auto& at = env_.current();
    std::size_t const tally = low(s.how, 0, 4) % env_.tallies;
    if (s.what == act::change_unseen && at.change_unseen(tally, {low(s.how, 10, 3), delta_of(s.how >> 16)})) {
        env_.tell("rows come to ", tally_name(tally), " that no trigger sees");
    }
    if (s.what == act::drop_triggers && at.drop_triggers(tally)) env_.tell(tally_name(tally), " loses its triggers");
    if (s.what != act::restore) return;
    auto as = at.definition(tally);
    if (low(s.how, 8, 1) == 0) as.number = definitions_++;
    as.v = env_.next_number();
    if (at.restore(tally, as)) env_.tell(tally_name(tally), " is restored, as number ", as.number, ", v ", as.v);
}

// If `how` says so, the standby has missed the last commits. The old primary continues to serve its connections.
void world::fail_over(std::uint32_t how)
{
    if (env_.nodes.size() == 4) return;
    std::size_t const missing = low(how, 0, 1) == 0 ? 0 : low(how, 1, 2);
    env_.nodes.push_back(env_.current().promoted(missing));
    env_.named = env_.nodes.size() - 1;
    env_.tell("node ", env_.named, " is promoted; it has missed ", missing, " commits");
}

void world::stop_old()
{
    for (std::size_t i = 0; i < env_.named; ++i) {
        if (!env_.nodes[i]->up()) continue;
        env_.nodes[i]->stop();
        env_.tell("node ", i, " stops");
    }
}

// The old primaries stay up, and connections to them may last. Each server's transport and materialization leave them.
void world::leave_old()
{
    for (auto const& each : hosts_) each->leave_old();
    for (auto const& each : keepers_) each->leave_old();
}

}  // namespace pgtally::sim
