// Repairs tallies by `tally.reload`, as `look.hpp` decides: on a connection that is opened for each repair, because a
// repair waits for locks, and heartbeats must not wait for it.

#include <pgtally/cache/replica/replica_set_impl.hpp>

namespace pgtally {

namespace {

// What a repair may take that has its locks.
constexpr std::chrono::seconds repair_patience{60};

// Whether another attempt may succeed although nothing changed: a lock timeout, a deadlock, a lost connection.
bool is_transient(db::error const& e) noexcept
{
    return e.code() != db::errc::server_error || e.state().is("55P03") || e.state().is("57014") ||
           e.state().in_class("40") || e.state().in_class("53") || e.state().in_class("57");
}

}  // namespace

asio::awaitable<void> replica_set::impl::repair_forever()
{
    while (!stopping) {
        auto const name = looks.repair(clock::now());
        if (name) co_await repair(*name);
        else co_await repair_wake.wait_until(looks.repair_at());
    }
}

asio::awaitable<void> replica_set::impl::repair(std::string name)
{
    db::connection connection{executor};
    open_connections.push_back(&connection);
    std::string failure;
    bool transient = false;
    try {
        co_await connection.connect(session_config(session_kind::control, settings.database));
        connection.set_timeout(repair_patience);
        auto const begin = begin_writing();
        co_await connection.script(begin);
        co_await connection.query("select tally.reload($1)", name);
        co_await connection.query("commit");
    } catch (db::error const& e) {
        failure = e.what();
        transient = is_transient(e);
    }
    std::erase(open_connections, &connection);
    if (stopping) co_return;
    if (failure.empty()) {
        log(db::level::info, "tally " + name + ": repaired by tally.reload");
        looks.repaired(name, clock::now());
    } else {
        log(db::level::warn, "tally " + name + ": tally.reload cannot repair it: " + failure);
        looks.repair_failed(name, transient, clock::now());
    }
    hasten_look();
}

}  // namespace pgtally
