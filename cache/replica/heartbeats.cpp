// Heartbeats: barriers that are sent again and again, so that what is called live is proven to be.

#include <pgtally/cache/heartbeat_diagnosis.hpp>
#include <pgtally/cache/replica/replica_set_impl.hpp>

#include <cstdint>
#include <tuple>

namespace pgtally {

namespace {

using heartbeat_row = std::tuple<double, bool, std::int32_t>;

}  // namespace

asio::awaitable<void> replica_set::impl::send_heartbeat(db::connection& connection)
{
    auto const sent = clock::now();
    auto const id = expected.expect([this, sent] { heartbeat_back(sent); });
    heartbeats_sent.push_back(id);
    if (heartbeats_sent.size() > missed_heartbeats) {
        expected.forget(heartbeats_sent.front());
        heartbeats_sent.pop_front();
    }
    auto const payload = barriers::payload(id);
    auto const answer = co_await connection.query_as<heartbeat_row>(
        "select pg_notification_queue_usage(), to_regclass('tally.tallies') is not null, pg_backend_pid() "
        "from pg_notify('tally', $1)",
        payload);
    auto const [usage, installed, pid] = answer.one();
    heartbeat_taken = sent;
    pooled = db::backend_pid{pid} != connection.backend_pid();
    counted.notification_queue_usage = usage;
    // A schema that is dropped takes its triggers along and tells nobody.
    if (!installed) want_definitions();
}

void replica_set::impl::heartbeat_back(clock::time_point sent)
{
    last_heartbeat_back = clock::now();
    deaf_reason.clear();
    deaf_for_good = false;
    if (settings.on_heartbeat) settings.on_heartbeat(std::chrono::duration<double>(last_heartbeat_back - sent).count());
}

asio::awaitable<void> replica_set::impl::watch_heartbeats()
{
    while (!stopping) {
        auto const deadline = last_heartbeat_back + answer_time();
        if (transport_open && clock::now() >= deadline) give_up_transport();
        auto const look_again = transport_open ? deadline : clock::time_point::max();
        co_await watch_wake.wait_until(look_again);
    }
}

// Everything is connected anew, for what does not come back may have been sent to another server than is listened to.
void replica_set::impl::give_up_transport()
{
    heartbeat_signs signs;
    signs.sent = heartbeat_taken >= opened_at;
    signs.pooled = pooled;
    signs.trouble = control_trouble;
    deaf_reason = why_deaf(signs);
    // A connection that heard nothing from its beginning, though it listens and heartbeats were sent, is not what is
    // needed, and the next one will not be either.
    deaf_for_good = signs.sent && last_heartbeat_back == opened_at;
    transport_open = false;
    schedule.transport_lost(0);
    events->restart(deaf_reason);
}

}  // namespace pgtally
