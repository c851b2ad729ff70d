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
{
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

void host::connect_transport()
{
    if (!transport_.open(env_)) return;
    hushed_ = false;
    position_ = transport_.at().stream().size();
    // LISTEN may bring a little of what committed before it.
    if (!env_.wal) position_ -= std::min<std::size_t>(position_ - transport_.at().first_entry(), position_ % 3);
    transport_open_ = true;
    env_.tell(name_, ": the transport is open, to node ", transport_.number());
    opened();
}

// Once more: the other connections are made anew too, for this may be another server.
void host::opened()
{
    last_heartbeat_back_ = env_.now;
    control_.next_look = milliseconds{0};
    schedule_.transport_opened(0);
    rules_.opened();
    received_.opened();
    ask_writes_again();
    end_turn();
}

void host::hear_of_loss(std::string const& why)
{
    transport_.close();
    transport_open_ = false;
    hushed_ = false;
    schedule_.transport_lost(0);
    rules_.lost();
    env_.tell(name_, ": the transport is lost: ", why);
    received_.lost(why, false);
    end_turn();
}

void host::receive(std::size_t at_most)
{
    if (!transport_open_) return connect_transport();
    if (hushed_) return;
    if (!transport_.alive()) return hear_of_loss("the connection broke");
    auto const& stream = transport_.at().stream();
    std::size_t taken = 0;
    while (position_ < stream.size() && (taken < at_most || (env_.wal && !stream[position_ - 1].ends))) {
        auto const& next = stream[position_++];
        auto const text = next.text;
        if (next.forged != 0) shown_[tally_name(next.forged_for)].forged.push_back({transport_.number(), next.forged});
        ++taken;
        if (text.empty()) continue;
        if (!text.starts_with(R"({"barrier")")) env_.tell(name_, ": received ", text);
        received_.payload(text);
    }
    if (taken > 0) end_turn();
}

void host::end_turn()
{
    look_at_writes();
    for (auto const& [name, tally] : tallies_) tally->subscribers().flush();
    check_served();
}

void host::watch()
{
    if (!transport_open_ || env_.now < last_heartbeat_back_ + env_.answer_time()) return;
    if (env_.broken == flaw::heartbeat) return;
    hear_of_loss("no heartbeat came back for three intervals");
}

void host::break_transport()
{
    if (transport_open_) hear_of_loss("it was cut");
}

void host::leave_old()
{
    if (transport_open_ && transport_.number() != env_.named) hear_of_loss("the other node is wanted");
}

void host::hush_transport()
{
    if (!transport_open_ || hushed_) return;
    env_.tell(name_, ": the transport falls silent");
    hushed_ = true;
    hushed_at_ = env_.now;
}

void host::overflow()
{
    if (!transport_open_ || hushed_ || !transport_.alive()) return;
    env_.tell(name_, ": what waits to be received is too much, and dropped");
    position_ = transport_.at().stream().size();
    opened();
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
    } else if (env_.now >= c.next_heartbeat) {
        send_heartbeat();
    } else if (!schedule_.definitions_current()) {
        read_definitions();
    } else if (env_.now >= c.next_look) {
        read_problems();
    } else {
        send_write_barrier();
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

// What watch.cpp does: of the problems that the database knows only a lost source decides anything.
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
        if (schedule_.held(name) != lost) env_.tell(name_, ": the source of ", name, lost ? " is lost" : " is there");
        rules_.held(name, lost);
        if (lost) {
            schedule_.hold(name);
            tally->fail("its source is lost");
            give_up_load(name);
        } else {
            if (schedule_.held(name)) rules_.wanted(name, load_cause::reload);
            schedule_.release(name);
        }
    }
}

void host::send_heartbeat()
{
    auto const id = expected_.expect([this] { last_heartbeat_back_ = env_.now; });
    if (!control_.connection.at().send(barriers::payload(id))) {
        expected_.forget(id);  // it waits for a commit
        return;
    }
    control_.next_heartbeat = env_.now + env_.heartbeat;
    control_.sent.push_back(id);
    if (control_.sent.size() <= 3) return;
    expected_.forget(control_.sent.front());
    control_.sent.pop_front();
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
            schedule_.redefined(name);
        }
    }
    for (auto const& [name, tally] : tallies_) {
        if (tally->state() == cache::state::live) continue;
        schedule_.want_again(name);
        rules_.wanted(name, load_cause::reset);  // for a cause that only the schedule knows
    }
}

void host::add_tally(std::size_t tally, meaning const& as)
{
    auto const name = tally_name(tally);
    env_.tell(name_, ": ", name, " is followed, as number ", as.number);
    tallies_.emplace(name, std::make_unique<cache::tally>(as.as_definition(tally), limits_));
    schedule_.add(name, 0);
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
