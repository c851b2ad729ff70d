// Decides which transports are in use, and fails each tally whose transport the set does not have.

#include <pgtally/cache/replica/replica_set_impl.hpp>

#include <algorithm>

namespace pgtally {

asio::awaitable<void> replica_set::impl::run_transport(std::shared_ptr<transport> channel)
{
    co_await channel->run();
}

void replica_set::impl::open_transport(std::size_t index)
{
    if (stopping) return;
    auto& slot = transports[index];
    slot.channel = slot.kind.make(executor, session_config(session_kind::transport, settings.database));
    slot.watch = transport_watch{slot.kind.name, settings.heartbeat};
    slot.within_transaction = false;
    counted.last_heartbeat[slot.kind.name] = clock::now();
    start(run_transport(slot.channel), "transport");
    start(receive(index, slot.channel), "receive");
}

void replica_set::impl::close_transport(std::size_t index)
{
    auto& slot = transports[index];
    log(db::level::info, "transport " + slot.kind.name + ": closed; no tally uses it any more");
    slot.channel->stop();
    slot.channel = nullptr;
    counted.last_heartbeat.erase(slot.kind.name);
    counted.wal_held.erase(slot.kind.name);
    schedule.transport_lost(index);
    slot.watch = transport_watch{slot.kind.name, settings.heartbeat};
}

// `notify` is always in use, because definitions travel by it.
void replica_set::impl::use_transports()
{
    for (std::size_t index = 1; index < transports.size(); ++index) {
        bool const used = std::ranges::any_of(
            replicas, [&](auto const& each) { return received.transport_of(*each.second) == index; });
        bool const open = transports[index].channel != nullptr;
        if (used && !open) open_transport(index);
        if (!used && open) close_transport(index);
    }
}

bool replica_set::impl::fail_without_transport(cache::tally& tally)
{
    if (received.transport_of(tally)) return false;
    auto const& named = tally.definition().transport;
    tally.fail({cache::reason::kind::no_transport,
                "its events travel by transport " + named +
                    ", which this server does not have; use a server that has it, or tally.alter_tally(…, transport "
                    "=> 'notify')"});
    return true;
}

std::size_t replica_set::impl::index_of(cache::tally const& tally) const noexcept
{
    return received.transport_of(tally).value_or(transports.size());
}

}  // namespace pgtally
