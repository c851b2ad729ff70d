// Applies what each transport hands over: the whole batch, before any subscriber sees the outcome.

#include <pgtally/cache/replica/replica_set_impl.hpp>

#include <algorithm>
#include <array>

namespace pgtally {

namespace {

constexpr std::size_t signals_ahead = 16;  // whose rows are asked for before the first of them is applied

}  // namespace

asio::awaitable<void> replica_set::impl::receive(std::size_t index, std::shared_ptr<transport> from)
{
    auto& slot = transports[index];
    while (!stopping) {
        auto const batch = co_await from->next();
        if (slot.channel != from) co_return;
        events_timed = 0;
        for (std::size_t i = 0; i < batch.size(); ++i) {
            if (i % signals_ahead == 0) look_ahead(batch.subspan(i));
            std::visit([this, index](auto const& e) { on(index, e); }, batch[i]);
        }
        if (slot.within_transaction) {
            slot.within_transaction = false;
            from->restart({cache::reason::kind::missed_events,
                           "transport " + slot.kind.name + " delivered an incomplete transaction"});
        }
        from->applied();
        report_drops();
        end_turn();
    }
}

// The payloads among the next signals.
void replica_set::impl::look_ahead(std::span<transport::signal const> signals)
{
    std::array<std::string_view, signals_ahead> texts;
    std::size_t found = 0;
    for (auto const& each : signals.first(std::min(signals.size(), signals_ahead))) {
        if (auto const* const payload = std::get_if<transport::payload>(&each)) texts[found++] = payload->text;
    }
    if (found > 1) received.look_ahead(std::span{texts}.first(found));
}

void replica_set::impl::on(std::size_t index, transport::opened const& e)
{
    auto& slot = transports[index];
    slot.within_transaction = false;
    slot.watch.opened(clock::now());
    next_look = next_findings = clock::time_point{};
    ++openings;
    // If the transport opens again, the database's name may lead to another server: the other connections are replaced
    // before they are used.
    if (schedule.transport_opened(index)) {
        ++counted.reconnects;
        give_up_old_loads();
    }
    received.opened(index, e.order);
    ask_writes_again(index);
    watch_wake.notify();
    control_wake.notify();
    database_answers();
}

// Connections of one process wait for the same database: the first that has one spares the others the rest of their pauses.
void replica_set::impl::database_answers() noexcept
{
    for (auto const& each : transports) {
        if (each.channel) each.channel->retry_now();
    }
}

void replica_set::impl::on(std::size_t index, transport::lost const& e)
{
    transports[index].within_transaction = false;
    schedule.transport_lost(index);
    bool const permanent = transports[index].watch.lost(e.reason, e.permanent);
    received.lost(index, e.reason, permanent);
    if (!transports[index].channel->waits()) return;
    next_explanation = {};
    control_wake.notify();
}

void replica_set::impl::on(std::size_t index, transport::payload const& e)
{
    received.payload(index, e.text);
}

void replica_set::impl::on(std::size_t index, transport::begin const& e)
{
    transports[index].within_transaction = true;
    received.begin(index, e.position);
}

void replica_set::impl::on(std::size_t index, transport::commit const&)
{
    transports[index].within_transaction = false;
    received.commit(index);
    auto& count = counted.transports[transports[index].kind.name];
    ++count.transactions;
    count.position = received.stream_at(index).reached;
}

void replica_set::impl::applied(cache::event const& e)
{
    ++counted.tallies[e.tally].events;
    if (settings.on_event_lag && e.at_us != 0) {
        // A look at the clock costs a tenth of an event.
        constexpr unsigned events_a_look = 32;
        if (events_timed++ % events_a_look == 0) looked_at_clock = std::chrono::system_clock::now();
        auto const now = std::chrono::duration<double>(looked_at_clock.time_since_epoch()).count();
        settings.on_event_lag(std::max(0.0, now - static_cast<double>(e.at_us) / 1e6));
    }
}

void replica_set::impl::drop(std::string_view reason)
{
    auto const at = counted.events_dropped.find(reason);
    if (at == counted.events_dropped.end()) counted.events_dropped.emplace(reason, 1);
    else ++at->second;
    dropped.add(reason);
}

void replica_set::impl::report_drops()
{
    if (auto const line = dropped.report(clock::now())) log(db::level::warn, *line);
}

}  // namespace pgtally
