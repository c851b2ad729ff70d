#include <pgtally/cache/replica/replica_set.hpp>

#include <pgtally/cache/replica/notify_transport.hpp>
#include <pgtally/cache/replica/replica_set_impl.hpp>
#include <pgtally/cache/replica/wal_transport.hpp>
#include <pgtally/db/detail/log.hpp>

#include <boost/asio/co_spawn.hpp>

#include <algorithm>
#include <exception>
#include <utility>

namespace pgtally {

namespace {

// The transports by index; `notify` is the first.
std::vector<transport_factory> kinds_of(replica_set::config const& settings)
{
    std::vector<transport_factory> out{notify_transport()};
    out.insert(out.end(), settings.transports.begin(), settings.transports.end());
    auto own = wal_transport();
    if (std::ranges::find(out, own.name, &transport_factory::name) == out.end()) out.push_back(std::move(own));
    return out;
}

std::vector<std::string> names_of(std::vector<transport_factory> const& kinds)
{
    std::vector<std::string> out;
    for (auto const& kind : kinds) out.push_back(kind.name);
    return out;
}

std::string text_of(std::exception_ptr const& failure)
{
    try {
        std::rethrow_exception(failure);
    } catch (std::exception const& e) {
        return e.what();
    } catch (...) {
        return "an exception of an unknown type";
    }
}

}  // namespace

replica_set::impl::impl(asio::any_io_executor chosen_executor, config chosen)
    : executor{std::move(chosen_executor)}
    , settings{std::move(chosen)}
    , schedule{settings.database.retry, db::jitter_source()}
    , received{replicas, expected, *this, names_of(kinds_of(settings))}
    , control_wake{executor}
    , watch_wake{executor}
    , repair_wake{executor}
    , rank_wake{executor}
    , ended{executor}
{
    settings.database.peer_timeout = std::max(answer_time(), min_peer_timeout);
    for (auto& kind : kinds_of(settings)) transports.emplace_back(std::move(kind), settings.heartbeat);
    for (auto const reason : event_dispatcher::drop_reasons) counted.events_dropped.emplace(reason, 0);
    for (std::size_t i = 0; i < settings.concurrent_loads; ++i) loaders.push_back(std::make_unique<loader>(executor));
}

// Runs a coroutine beside the others. `run` ends when the last of them has ended.
void replica_set::impl::start(asio::awaitable<void> coroutine, char const* name)
{
    ++running;
    auto const on_end = [this, name](std::exception_ptr failure) {
        --running;
        if (failure) die(name, failure);
        if (running == 0) ended.notify();
    };
    asio::co_spawn(executor, std::move(coroutine), on_end);
}

// An exception that leaves a coroutine is a defect: each failure that the database can cause is caught inside. The
// others are stopped, because nothing can be promised any more; the tallies fail, and `run` throws the exception.
void replica_set::impl::die(char const* name, std::exception_ptr failure) noexcept
{
    // The first one tells what was wrong.
    if (defect) return;
    defect = failure;
    cache::reason const reason{cache::reason::kind::defect,
                               "internal error in " + std::string{name} + ": " + text_of(failure) +
                                   "; nothing is followed any more: start the program again, and report the error"};
    log(db::level::error, reason.text());
    stop();
    control_trouble = reason;
    control_trouble_permanent = true;
    for (auto const& [tally, one] : replicas) one->fail(reason);
    try {
        end_turn();
    } catch (...) {
        // A hook of the owner throws, perhaps the same again. `run` reports the first exception.
        for (auto const& [tally, one] : replicas) one->flush();
    }
}

asio::awaitable<void> replica_set::impl::run()
{
    open_transport(0);
    start(control(), "control");
    start(watch_transports(), "heartbeat");
    start(repair_forever(), "repair");
    start(rank_forever(), "rankings");
    for (auto const& each : loaders) start(load_forever(*each), "load");
    while (running > 0) co_await ended.wait();
    if (defect) std::rethrow_exception(defect);
}

void replica_set::impl::stop()
{
    if (std::exchange(stopping, true)) return;
    for (auto const& slot : transports) {
        if (slot.channel) slot.channel->stop();
    }
    for (auto* const connection : open_connections) connection->close();
    for (auto const& each : loaders) {
        each->connection.close();
        each->done.notify();
    }
    let_audits_go();
    for (auto& [number, write] : writes) write.changed.notify();
    positions.end();
    wake_loaders();
    control_wake.notify();
    watch_wake.notify();
    repair_wake.notify();
    rank_wake.notify();
    let_ranked_look();
}

void replica_set::impl::log(db::level level, std::string const& line) const
{
    db::detail::log(settings.database, level, line);
}

void replica_set::impl::end_turn()
{
    look_at_writes();
    positions.look([this](std::string_view name) { return find(name); });
    look_at_audits();
    if (settings.on_turn) settings.on_turn();
    for (auto const& [name, tally] : replicas) tally->flush();
}

cache::tally* replica_set::impl::find(std::string_view name) noexcept
{
    auto const at = replicas.find(name);
    return at == replicas.end() ? nullptr : at->second.get();
}

replica_set::replica_set(asio::any_io_executor executor, config chosen)
    : impl_{std::make_unique<impl>(std::move(executor), std::move(chosen))}
{
}

// When tallies end, subscriptions may leave them, after most of this object is gone.
replica_set::~replica_set()
{
    for (auto const& [name, tally] : impl_->replicas) tally->questions().on_work({});
}

asio::awaitable<void> replica_set::run()
{
    return impl_->run();
}

void replica_set::stop()
{
    impl_->stop();
}

replica_set::tallies const& replica_set::all() const noexcept
{
    return impl_->replicas;
}

cache::tally* replica_set::find(std::string_view name) noexcept
{
    return impl_->find(name);
}

bool replica_set::knows_tallies() const noexcept
{
    return impl_->definitions_known;
}

cache::reason const& replica_set::trouble() const noexcept
{
    auto const& of_transport = impl_->transports[0].watch.trouble();
    return of_transport.empty() ? impl_->control_trouble : of_transport;
}

bool replica_set::trouble_is_permanent() const noexcept
{
    auto const& watch = impl_->transports[0].watch;
    if (!watch.trouble().empty()) return watch.trouble_is_permanent();
    return !impl_->control_trouble.empty() && impl_->control_trouble_permanent;
}

int replica_set::schema_version() const noexcept
{
    return impl_->schema_version;
}

void replica_set::reset(std::string_view name)
{
    impl_->want_load(name, load_cause::reset);
}

asio::awaitable<audit_report> replica_set::audit(std::string name, std::chrono::milliseconds at_most)
{
    return impl_->audit(std::move(name), std::chrono::steady_clock::now() + at_most);
}

void replica_set::let_audits_go()
{
    impl_->let_audits_go();
}

std::unique_ptr<replica_set::barrier_wait> replica_set::expect_barrier()
{
    return impl_->expect_barrier();
}

asio::awaitable<bool> replica_set::applied(std::string name, cache::xid transaction,
                                           std::chrono::steady_clock::time_point until)
{
    return impl_->applied(std::move(name), transaction, until, nullptr);
}

std::unique_ptr<replica_set::position_wait> replica_set::expect_position(std::string tally, cache::since_point at)
{
    return impl_->expect_position(std::move(tally), std::move(at));
}

asio::awaitable<bool> replica_set::ranked(std::string tally, std::string by,
                                          std::chrono::steady_clock::time_point until)
{
    return impl_->ranked(std::move(tally), std::move(by), until);
}

replica_set::counters const& replica_set::stats() const noexcept
{
    return impl_->counted;
}

}  // namespace pgtally
