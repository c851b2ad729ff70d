// What the transport brings, applied at once; all of a batch before anybody is told.

#include <pgtally/cache/replica_set_impl.hpp>

#include <algorithm>

namespace pgtally {

asio::awaitable<void> replica_set::impl::receive()
{
    while (!stopping) {
        auto const batch = co_await events->next();
        for (auto const& signal : batch) {
            std::visit([this](auto const& e) { on(e); }, signal);
        }
        report_drops();
        end_turn();
    }
}

void replica_set::impl::on(transport::opened const&)
{
    transport_open = true;
    transport_trouble.clear();
    opened_at = last_heartbeat_back = clock::now();
    watch_wake.notify();
    if (std::exchange(ever_open, true)) {
        ++counted.reconnects;
        ++generation;  // this may be another server
    }
    want_definitions();
    // What was live until now has missed events, whether the loss was told (`lost`) or not (too many at once).
    for (auto const& [name, tally] : replicas) {
        if (tally->state() == cache::state::live) tally->lost("events may have been missed; loading again");
        give_up_load(name);
        want_load(name, tally->has_counters() ? load_cause::reconnect : load_cause::start);
    }
    ask_writes_again();
    if (!writes.empty()) control_wake.notify();
}

void replica_set::impl::on(transport::lost const& e)
{
    transport_open = false;
    transport_trouble = e.reason;
    transport_trouble_permanent = e.permanent || (deaf_for_good && e.reason == deaf_reason);
    for (auto const& [name, tally] : replicas) stop_following(name, *tally, e.reason, transport_trouble_permanent);
}

void replica_set::impl::on(transport::payload const& e)
{
    auto const error = cache::decode(e.text, decoded);
    if (error != cache::event_error::none) drop(to_string(error));
    else if (decoded.what == cache::event::kind::barrier) expected.came_back(decoded.barrier);
    else if (decoded.what == cache::event::kind::definition) on_definition(decoded);
    else on_event(decoded);
}

void replica_set::impl::on_event(cache::event const& e)
{
    auto* const tally = find(e.tally);
    if (tally == nullptr) return;  // of no concern here, or created a moment ago: its load will have it
    switch (tally->apply(e)) {
        case cache::outcome::applied: break;
        case cache::outcome::contained:
        case cache::outcome::ignored: return;
        case cache::outcome::wrong_width: return drop("wrong_width");
        case cache::outcome::wrong_key: return drop("wrong_key");
        case cache::outcome::needs_load: want_load(e.tally, load_cause::reload); return;
    }
    if (tally->state() == cache::state::failed) want_load(e.tally, load_cause::retry);
    ++counted.tallies[e.tally].events;
    if (settings.on_event_lag && e.at_us != 0) {
        using std::chrono::system_clock;
        auto const now = std::chrono::duration<double>(system_clock::now().time_since_epoch()).count();
        settings.on_event_lag(std::max(0.0, now - static_cast<double>(e.at_us) / 1e6));
    }
}

// Events that follow are of a definition that is not known here, so that none may be applied until it is.
void replica_set::impl::on_definition(cache::event const& e)
{
    if (auto* const tally = find(e.tally)) {
        stop_following(e.tally, *tally, "its definition changed; loading again", false);
        want_load(e.tally, load_cause::definition);
    }
    want_definitions();
}

void replica_set::impl::drop(std::string_view reason)
{
    auto const at = counted.events_dropped.find(reason);
    if (at == counted.events_dropped.end()) counted.events_dropped.emplace(reason, 1);
    else ++at->second;
    ++drops_to_report;
    last_drop = reason;
}

// Anybody can send junk, at any rate; it must not fill the log.
void replica_set::impl::report_drops()
{
    constexpr std::chrono::seconds at_most_every{10};
    if (drops_to_report == 0 || clock::now() - last_drop_report < at_most_every) return;
    log(db::level::warn, "dropped " + std::to_string(drops_to_report) +
                             " notification(s) on channel tally that are no events of a tally here, the last one as " +
                             last_drop + "; any role can send them");
    last_drop_report = clock::now();
    drops_to_report = 0;
}

}  // namespace pgtally
