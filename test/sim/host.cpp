#include "host.hpp"

#include <algorithm>

namespace pgtally::sim {

namespace {

constexpr std::size_t client_count = 3;

// The number of the definition that a payload names; 0: none.
std::uint64_t number_of(std::string const& payload)
{
    auto const at = payload.find(R"("v":)");
    return at == std::string::npos ? 0 : std::stoull(payload.substr(at + 4));
}

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
        clients_.push_back(std::make_unique<client>(env_, "subscriber " + name_ + std::to_string(i)));
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
    received_.opened(by, by == wal ? "node " + std::to_string(links_[by].connection.number()) : std::string{});
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
    while (from.position < stream.size() && goes_on()) {
        if (by == wal) take_transaction(stream);
        else take_entry(by, stream[from.position++]);
    }
    if (from.position != begin) end_turn();
}

// A transaction without an event for the server is not sent.
void host::take_transaction(std::vector<database::entry> const& stream)
{
    auto& from = links_[wal];
    auto end = from.position;
    while (!stream[end].ends) ++end;
    auto const any = std::any_of(stream.begin() + static_cast<std::ptrdiff_t>(from.position),
                                 stream.begin() + static_cast<std::ptrdiff_t>(end) + 1,
                                 [](auto const& each) { return !each.text.empty(); });
    auto position = position_of_entry * (end + 1);
    if (env_.broken == flaw::position && name_ == "B") position += position_of_entry;
    if (any) received_.begin(wal, position);
    if (any && env_.broken == flaw::early) received_.commit(wal);
    while (from.position <= end) take_entry(wal, stream[from.position++]);
    if (any && env_.broken != flaw::early) received_.commit(wal);
}

void host::take_entry(std::size_t by, database::entry const& next)
{
    auto const* const whose = find(tally_name(next.forged_for));
    // By its own transport a tally's changes come before the barrier of every load that contains them.
    if (next.forged != 0 && (whose == nullptr || transport_of(*whose) == by)) {
        forgery const one{links_[by].connection.number(), next.forged, next.unseen};
        shown_[tally_name(next.forged_for)].forged.push_back(one);
    }
    if (next.text.empty()) return;
    auto text = next.text;
    if (env_.broken == flaw::broken && text.find(R"("broken")") != std::string::npos) return;
    if (env_.broken == flaw::misfit && text.find(R"(["1",1,1,1])") != std::string::npos) return;
    auto const number = number_of(text);
    if (env_.broken == flaw::newer && number != 0) {
        auto const at = text.find(R"("v":)");
        text.erase(at, text.find(R"("x":)") - at);
    }
    if (!text.starts_with(R"({"barrier")")) env_.tell(name_, ": received by ", transport_names[by], " ", text);
    auto counts_as = by;
    if (env_.broken == flaw::stray) {
        for (auto const& [name, tally] : tallies_) {
            if (text.starts_with(R"({"t":")" + name + '"')) counts_as = transport_of(*tally);
        }
    }
    received_.payload(counts_as, text);
    for (auto const& [name, tally] : tallies_) {
        bool const its = text.starts_with(R"({"t":")" + name + '"') && transport_of(*tally) == by;
        if (its && number > tally->definition().v && tally->state() == cache::state::live) {
            throw violation{name + ": an event of a newer definition came, and it is live"};
        }
    }
}

void host::end_turn()
{
    look_at_writes();
    for (auto const& [name, tally] : tallies_) tally->flush();
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
        c.asked_catalog = c.looked = false;
        if (!c.connection.open(env_)) return;
        looks_.connected();
        want_definitions();
    }
    if (std::exchange(c.asked_catalog, false)) {
        schedule_.definitions_read(c.asked);
        rules_.has_read();
        reconcile();
        wake_loaders();
        end_turn();
    } else if (std::exchange(c.looked, false)) {
        take_look();
        wake_loaders();
        end_turn();
    } else if (send_heartbeat(notify) || send_heartbeat(wal)) {
        return;
    } else if (!schedule_.definitions_current()) {
        read_definitions();
    } else if (env_.now >= c.next_look) {
        read_look();
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

// What watch.cpp and repairs.cpp do
// -------------------------------------------------------------------------------------------------

void host::want_look(std::string const& name)
{
    looks_.ask(name);
    control_.next_look = milliseconds{0};
}

void host::read_look()
{
    auto& c = control_;
    c.looked = true;
    c.next_look = env_.now + env_.heartbeat;
    c.number = looks_.begin();
    c.rows.clear();
    for (std::size_t tally = 0; tally < env_.tallies; ++tally) {
        auto const& as = c.connection.at().definition(tally);
        if (as.exists) c.rows.push_back({tally_name(tally), as.v, what_source_is(c.connection, tally)});
    }
}

std::string host::what_source_is(wire const& by, std::size_t tally) const
{
    return env_.broken == flaw::look ? "a table" : by.at().what_source_is(tally);
}

// Another statement reads the findings. A schema without numbers does not look: its findings are read each time.
void host::take_look()
{
    auto& c = control_;
    auto const asks = looks_.asks(c.rows);
    look::change change;
    if (env_.numbered) change = looks_.take(c.number, c.rows);
    if (change.definitions) want_definitions();
    for (std::size_t i = 0; i < env_.tallies; ++i) {
        auto const name = tally_name(i);
        bool const asked = !env_.numbered || std::ranges::find(asks, name) != asks.end();
        if (asked && find(name) != nullptr) take_findings(i);
    }
    for (auto const& name : change.reload) {
        auto* const tally = find(name);
        if (schedule_.held(name)) continue;
        env_.tell(name_, ": the source of ", name, " was changed");
        if (tally->state() == cache::state::live) tally->lost(cache::reason{cache::reason::kind::reload});
        give_up_load(name);
        want_load(name, load_cause::look);
    }
}

findings host::findings_of(std::size_t tally)
{
    auto const& at = control_.connection.at();
    if (at.source_lost(tally)) return {{"source_lost", "source", "its source is lost", "", true}};
    if (!env_.fails(at, tally)) return {};
    return {{"missing_trigger", "source", "it has no triggers", "select tally.reload('likes')", true}};
}

void host::take_findings(std::size_t i)
{
    auto const name = tally_name(i);
    looks_.take_findings(name, findings_of(i), env_.may_repair);
    auto const failure = looks_.failure(name);
    bool const held = rules_.is_held(name);
    if (held != failure.has_value()) env_.tell(name_, ": ", name, failure ? " cannot" : " can", " be counted");
    if (held && !failure) rules_.wanted(name, load_cause::reload);
    rules_.held(name, failure.has_value());
    if (failure) {
        schedule_.hold(name);
        find(name)->fail({cache::reason::kind::needs_repair, failure->text()});
        give_up_load(name);
    } else {
        schedule_.release(name);
    }
}

void host::repair()
{
    auto const name = looks_.repair(now());
    if (!name || !control_.connection.alive() || env_.broken == flaw::unrepaired) return;
    std::size_t const tally = *name == tally_name(0) ? 0 : 1;
    if (!control_.connection.at().repair(tally, env_.next_number())) return looks_.repair_failed(*name, true, now());
    env_.tell(name_, ": ", *name, " is repaired");
    looks_.repaired(*name, now());
    control_.next_look = milliseconds{0};
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
        if (known != nullptr) looks_.define(name, as.v);
        if (known == nullptr) {
            add_tally(tally, as);
        } else if (known->definition().kind() != what.kind()) {
            remove_tally(tally);
            add_tally(tally, as);
        } else if (known->redefine(std::move(what))) {
            env_.tell(name_, ": ", name, " is defined anew, as number ", as.number, ", v ", as.v);
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
    added.second->questions().ranked(0, {});  // see check_ranking
    looks_.define(name, as.v);
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
    looks_.remove(name);
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

void host::exchange_subscribers(host& other, std::size_t which)
{
    auto& mine = clients_[which % client_count];
    std::swap(mine, other.clients_[which % client_count]);
    mine->move_to(find(tally_name(which % env_.tallies)));
    other.clients_[which % client_count]->move_to(other.find(tally_name(which % env_.tallies)));
}

}  // namespace pgtally::sim
