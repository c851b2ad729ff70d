// What the transport brings, applied at once; all of a batch before anybody is told.

#include <pgtally/cache/replica/replica_set_impl.hpp>

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
    next_look = clock::time_point{};
    watch_wake.notify();
    if (schedule.transport_opened(0)) ++counted.reconnects;
    received.opened();
    ask_writes_again();
    if (!writes.empty()) control_wake.notify();
}

void replica_set::impl::on(transport::lost const& e)
{
    transport_open = false;
    schedule.transport_lost(0);
    transport_trouble = e.reason;
    transport_trouble_permanent = e.permanent || (deaf_for_good && e.reason == deaf_reason);
    received.lost(e.reason, transport_trouble_permanent);
}

void replica_set::impl::on(transport::payload const& e)
{
    received.payload(e.text);
}

void replica_set::impl::applied(cache::event const& e)
{
    ++counted.tallies[e.tally].events;
    if (settings.on_event_lag && e.at_us != 0) {
        using std::chrono::system_clock;
        auto const now = std::chrono::duration<double>(system_clock::now().time_since_epoch()).count();
        settings.on_event_lag(std::max(0.0, now - static_cast<double>(e.at_us) / 1e6));
    }
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
