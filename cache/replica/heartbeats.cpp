// Heartbeats: barriers that are sent every interval, to prove that the tallies in state live do follow the database.

#include <pgtally/cache/replica/replica_set_impl.hpp>

#include <algorithm>

namespace pgtally {

asio::awaitable<void> replica_set::impl::send_heartbeats(db::connection& connection)
{
    for (std::size_t index = 0; index < transports.size(); ++index) {
        if (transports[index].watch.next_heartbeat() <= clock::now()) co_await send_heartbeat(connection, index);
    }
}

asio::awaitable<void> replica_set::impl::send_heartbeat(db::connection& connection, std::size_t index)
{
    auto& slot = transports[index];
    auto const channel = slot.channel;
    auto const sent = slot.watch.send_heartbeat(clock::now());
    auto const payload = barriers::payload(sent.id);
    auto const answer = co_await channel->send_heartbeat(connection, payload);
    if (slot.channel != channel) co_return;
    slot.watch.taken(sent, answer.pooled);
    if (index == 0) counted.notification_queue_usage = answer.queue_usage;
    counted.wal_held[slot.kind.name] = answer.wal_held;
    if (settings.wal_limit > 0 && answer.wal_held > settings.wal_limit) let_wal_go(index, answer.wal_held);
    // Dropping the schema drops its triggers too, and no event reports it.
    if (!answer.installed) want_definitions();
}

// A new slot begins at the present end of the WAL; what it does not deliver is loaded.
void replica_set::impl::let_wal_go(std::size_t index, std::uint64_t held)
{
    cache::reason const why{
        cache::reason::kind::wal_held,
        "the slot of transport " + transports[index].kind.name + " held back " + std::to_string(held) +
            " bytes of WAL, more than --wal-lag-limit; it is dropped, and the tallies are loaded again"};
    log(db::level::warn, why.text());
    schedule.transport_lost(index);
    transports[index].channel->restart(why);
}

// What a transport that cannot open waits for, as the database names it.
asio::awaitable<void> replica_set::impl::explain_waits(db::connection& connection)
{
    for (std::size_t index = 0; index < transports.size(); ++index) {
        auto& slot = transports[index];
        auto const channel = slot.channel;
        if (!channel || !channel->waits()) continue;
        next_explanation = clock::now() + settings.heartbeat;
        auto const why = co_await channel->why_it_waits(connection);
        if (slot.channel != channel || !channel->waits() || why.empty() || why == slot.watch.trouble()) continue;
        log(db::level::warn, why.text());
        slot.watch.lost(why, false);
        received.lost(index, why, false);
        end_turn();
    }
}

bool replica_set::impl::heartbeat_back(std::size_t index, std::string_view id)
{
    auto const round_trip = transports[index].watch.came_back(id, clock::now());
    if (round_trip) counted.last_heartbeat[transports[index].kind.name] = clock::now();
    if (round_trip && settings.on_heartbeat) settings.on_heartbeat(std::chrono::duration<double>(*round_trip).count());
    return round_trip.has_value();
}

replica_set::impl::clock::time_point replica_set::impl::next_heartbeat() const noexcept
{
    auto result = clock::time_point::max();
    for (auto const& slot : transports) result = std::min(result, slot.watch.next_heartbeat());
    return result;
}

// Restarts each transport that is deaf. The heartbeats may be sent to another server than the one that the transport
// follows; when the transport opens again, all connections are replaced.
asio::awaitable<void> replica_set::impl::watch_transports()
{
    while (!stopping) {
        auto look_again = clock::time_point::max();
        for (std::size_t index = 0; index < transports.size(); ++index) {
            auto& slot = transports[index];
            auto const reason = slot.watch.give_up_if_deaf(clock::now(), control_trouble);
            if (reason) {
                schedule.transport_lost(index);
                slot.channel->restart(*reason);
            }
            look_again = std::min(look_again, slot.watch.deaf_at());
        }
        co_await watch_wake.wait_until(look_again);
    }
}

}  // namespace pgtally
