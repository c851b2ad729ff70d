#include "host.hpp"

#include <algorithm>

namespace pgtally::sim {

namespace {

constexpr std::size_t client_count = 3;

}  // namespace

host::host(environment& around, std::string name, cache::limits const& bounds, std::size_t loaders, std::uint64_t seed)
    : env_{around}
    , name_{std::move(name)}
    , limits_{bounds}
    , chance_{seed}
    , schedule_{around.broken, [this] { return chance_.below(1'000) / 1e3; }}
    , loaders_(loaders)
    , links_{link{env_.heartbeat, notify}, link{env_.heartbeat, wal}}
{
    links_[notify].used = true;
    for (std::size_t i = 0; i < client_count; ++i) {
        clients_.push_back(std::make_unique<client>(env_, name_ + "'s subscriber " + std::to_string(i)));
    }
}

host::~host() = default;

cache::tally* host::find(std::string_view name) noexcept
{
    auto const at = tallies_.find(name);
    return at == tallies_.end() ? nullptr : at->second.get();
}

// What receive.cpp does
// ---------------------------------------------------------------------------------------------------

// The server opens `wal` only while a tally uses it.
void host::use_links()
{
    auto& one = links_[wal];
    bool const used =
        std::ranges::any_of(tallies_, [&](auto const& each) { return transport_of(*each.second) == wal; });
    if (one.used && !used) {
        env_.tell(name_, ": the transport wal is closed");
        one = link{env_.heartbeat, wal};
        schedule_.transport_lost(wal);
        rules_.lost(wal);
    }
    one.used = used;
}

void host::connect(std::size_t by)
{
    auto& from = links_[by];
    if (!from.used || !from.connection.open(env_)) return;
    from.hushed = false;
    from.position = from.connection.at().stream(by).size();
    // LISTEN may deliver some of what committed before it.
    if (by == notify) {
        auto const first = from.connection.at().first_entry(by);
        from.position -= std::min<std::size_t>(from.position - first, from.position % 3);
    }
    env_.tell(name_, ": the transport ", transport_names[by], " is open, to node ", from.connection.number());
    opened(by);
}

// If the transport opens again, the other connections are replaced too: it may be connected to another server.
void host::opened(std::size_t by)
{
    links_[by].watch.opened(now());
    control_.next_look = milliseconds{0};
    if (schedule_.transport_opened(by)) give_up_old_loads();
    rules_.opened(by);
    received_.opened(by);
    ask_writes_again(by);
    end_turn();
}

void host::hear_of_loss(std::size_t by, cache::reason const& why)
{
    auto& from = links_[by];
    from.connection.close();
    from.hushed = false;
    env_.tell(name_, ": the transport ", transport_names[by], " is lost: ", why);
    schedule_.transport_lost(by);
    rules_.lost(by);
    bool const permanent = from.watch.lost(why, false);
    received_.lost(env_.broken == flaw::other_lost ? wal - by : by, why, permanent);
    end_turn();
}

void host::receive(std::size_t by, std::size_t at_most)
{
    auto& from = links_[by];
    if (!from.watch.is_open()) return connect(by);
    if (from.hushed) return;
    if (!from.connection.alive()) return hear_of_loss(by, {cache::reason::kind::unreachable, "the connection broke"});
    auto const& stream = from.connection.at().stream(by);
    auto const begin = from.position;
    // By wal, a transaction arrives whole.
    auto const goes_on = [&] {
        return from.position - begin < at_most || (by == wal && !stream[from.position - 1].ends);
    };
    while (from.position < stream.size() && goes_on()) take_entry(by, stream[from.position++]);
    if (from.position != begin) end_turn();
}

void host::take_entry(std::size_t by, database::entry const& next)
{
    if (next.forged != 0) {
        shown_[tally_name(next.forged_for)].forged.push_back({links_[by].connection.number(), next.forged});
    }
    if (next.text.empty()) return;
    auto const text = next.text;
    if (!text.starts_with(R"({"barrier")")) env_.tell(name_, ": received by ", transport_names[by], " ", text);
    auto counts_as = by;
    if (env_.broken == flaw::stray) {
        for (auto const& [name, tally] : tallies_) {
            if (text.starts_with(R"({"t":")" + name + '"')) counts_as = transport_of(*tally);
        }
    }
    received_.payload(counts_as, text);
}

void host::end_turn()
{
    look_at_writes();
    for (auto const& [name, tally] : tallies_) tally->subscribers().flush();
    check_served();
}

// What heartbeats.cpp does. A restart counts as a loss at once.
void host::watch()
{
    for (auto const by : {notify, wal}) {
        auto& watched = links_[by].watch;
        if (env_.broken == flaw::heartbeat) continue;
        if (env_.broken == flaw::reopened && watched.openings() > 1) continue;
        auto const reason = watched.give_up_if_deaf(now(), {});
        if (reason) hear_of_loss(by, *reason);
    }
}

bool host::heartbeat_back(std::size_t by, std::string_view id)
{
    bool const back = links_[by].watch.came_back(id, now()).has_value();
    auto& other = links_[wal - by];
    if (back && env_.broken == flaw::borrowed) other.watch.came_back(other.last_heartbeat, now());
    return back;
}

void host::break_transport(std::size_t by)
{
    if (links_[by].watch.is_open()) hear_of_loss(by, {cache::reason::kind::unreachable, "it was cut"});
}

void host::leave_old()
{
    for (auto const by : {notify, wal}) {
        auto const& from = links_[by];
        if (from.watch.is_open() && from.connection.number() != env_.named)
            hear_of_loss(by, {cache::reason::kind::unreachable, "the other node is wanted"});
    }
}

void host::hush_transport(std::size_t by)
{
    auto& from = links_[by];
    if (!from.watch.is_open() || from.hushed) return;
    env_.tell(name_, ": the transport ", transport_names[by], " falls silent");
    from.hushed = true;
    from.hushed_at = env_.now;
}

void host::overflow(std::size_t by)
{
    auto& from = links_[by];
    if (!from.watch.is_open() || from.hushed || !from.connection.alive()) return;
    env_.tell(name_, ": what waits to be received by ", transport_names[by], " is too much, and dropped");
    from.position = from.connection.at().stream(by).size();
    opened(by);
}

// What control.cpp does
// ---------------------------------------------------------------------------------------------------

void host::control()
{
    auto& c = control_;
    if (std::exchange(c.generation, schedule_.generation()) != schedule_.generation()) c.connection.close();
    if (!c.connection.alive()) {
        c.asked_catalog = c.asked_problems = false;
        if (!c.connection.open(env_)) return;
        want_definitions();
    }
    if (std::exchange(c.asked_catalog, false)) {
        schedule_.definitions_read(c.asked);
        rules_.has_read();
        reconcile();
        wake_loaders();
        end_turn();
    } else if (std::exchange(c.asked_problems, false)) {
        take_problems();
        wake_loaders();
        end_turn();
    } else if (send_heartbeat(notify) || send_heartbeat(wal)) {
        return;
    } else if (!schedule_.definitions_current()) {
        read_definitions();
    } else if (env_.now >= c.next_look) {
        read_problems();
    } else {
        for (auto const by : {notify, wal}) send_write_barrier(by);
    }
}

void host::want_definitions()
{
    schedule_.want_definitions();
    rules_.asked();
}

void host::read_definitions()
{
    auto& c = control_;
    c.asked_catalog = true;
    c.asked = schedule_.definitions_asked();
    rules_.reads();
    c.seen.clear();
    for (std::size_t tally = 0; tally < env_.tallies; ++tally) c.seen.push_back(c.connection.at().definition(tally));
}

// What watch.cpp does. Of the problems that the database reports, only a lost source has an effect here.
void host::read_problems()
{
    auto& c = control_;
    c.asked_problems = true;
    c.next_look = env_.now + env_.heartbeat;
    c.lost.clear();
    for (std::size_t tally = 0; tally < env_.tallies; ++tally) c.lost.push_back(c.connection.at().source_lost(tally));
}

void host::take_problems()
{
    for (std::size_t i = 0; i < env_.tallies; ++i) {
        auto const name = tally_name(i);
        auto* const tally = find(name);
        if (tally == nullptr) continue;
        bool const lost = control_.lost[i];
        if (rules_.is_held(name) != lost) env_.tell(name_, ": the source of ", name, lost ? " is lost" : " is there");
        if (rules_.is_held(name) && !lost) rules_.wanted(name, load_cause::reload);
        rules_.held(name, lost);
        if (lost) {
            schedule_.hold(name);
            tally->fail("its source is lost");
            give_up_load(name);
        } else {
            schedule_.release(name);
        }
    }
}

// Returns whether a heartbeat was due and sent.
bool host::send_heartbeat(std::size_t by)
{
    auto& to = links_[by];
    if (to.watch.next_heartbeat() > now()) return false;
    if (!control_.connection.at().may_send(by)) return false;  // the heartbeat waits for a commit
    auto const sent = to.watch.send_heartbeat(now());
    control_.connection.at().send(by, barriers::payload(sent.id));
    to.watch.taken(sent, false);
    to.last_heartbeat = sent.id;
    return true;
}

void host::reconcile()
{
    for (std::size_t tally = 0; tally < env_.tallies; ++tally) {
        auto const& as = control_.seen[tally];
        auto const name = tally_name(tally);
        auto* const known = find(name);
        if (known != nullptr && !as.exists) remove_tally(tally);
        if (!as.exists) continue;
        auto what = as.as_definition(tally);
        if (known == nullptr) {
            add_tally(tally, as);
        } else if (known->definition().kind() != what.kind()) {
            remove_tally(tally);
            add_tally(tally, as);
        } else if (known->redefine(std::move(what))) {
            env_.tell(name_, ": ", name, " is defined anew, as number ", as.number);
            schedule_.redefined(name, transport_of(*known));
            rules_.moved(name, transport_of(*known));
        }
    }
    use_links();
    for (auto const& [name, tally] : tallies_) {
        if (tally->state() == cache::state::live) continue;
        schedule_.want_again(name);
        rules_.wanted(name, load_cause::reset);  // the schedule alone knows the cause
    }
}

void host::add_tally(std::size_t tally, meaning const& as)
{
    auto const name = tally_name(tally);
    env_.tell(name_, ": ", name, " is followed, as number ", as.number);
    auto const& added = *tallies_.emplace(name, std::make_unique<cache::tally>(as.as_definition(tally), limits_)).first;
    schedule_.add(name, transport_of(*added.second));
    rules_.moved(name, transport_of(*added.second));
    rules_.wanted(name, load_cause::start);
}

void host::remove_tally(std::size_t tally)
{
    auto const name = tally_name(tally);
    env_.tell(name_, ": ", name, " is dropped");
    give_up_load(name);
    schedule_.remove(name);
    rules_.removed(name);
    tallies_.erase(name);
    shown_.erase(name);
}

// Subscribers
// -------------------------------------------------------------------------------------------------------------

void host::take(std::size_t which)
{
    clients_[which % client_count]->take();
}

void host::change_subscription(std::size_t which, std::uint32_t how)
{
    auto* const tally = find(tally_name(which % env_.tallies));
    clients_[which % client_count]->change(tally, how);
}

}  // namespace pgtally::sim
