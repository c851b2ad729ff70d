#include <pgtally/server/api/api.hpp>
#include <pgtally/server/audit/audit_rounds.hpp>
#include <pgtally/server/auth/authority.hpp>
#include <pgtally/server/base/database.hpp>
#include <pgtally/server/base/log.hpp>
#include <pgtally/server/base/process.hpp>
#include <pgtally/server/base/reload.hpp>
#include <pgtally/server/base/supervisor.hpp>
#include <pgtally/server/base/version.hpp>
#include <pgtally/server/http/acceptor.hpp>
#include <pgtally/server/materialize/materializers.hpp>
#include <pgtally/server/metrics.hpp>
#include <pgtally/server/openmetrics.hpp>
#include <pgtally/server/service.hpp>
#include <pgtally/server/sse/sse_server.hpp>
#include <pgtally/server/ws/ws_session.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

#include <unistd.h>
#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace pgtally::server {

namespace {

using clock = std::chrono::steady_clock;

cache::limits tally_limits(serve_options const& options)
{
    cache::limits out;
    out.max_keys = options.max_keys;
    return out;
}

replica_set::config replica_config(serve_options const& options, metrics& measured, clients& connected,
                                   materializers& kept)
{
    replica_set::config out;
    out.database = database_config(options.dsn);
    out.only = options.tallies;
    out.heartbeat = options.heartbeat;
    out.limits = tally_limits(options);
    out.wal_limit = options.wal_lag_limit;
    out.on_turn = [&connected, &kept] {
        connected.on_replicas_changed();
        kept.on_replicas_changed();
    };
    // The materialized table may differ from the truth as well.
    out.on_audit = [&kept](std::string_view name) { kept.full_pass(name); };
    out.on_event_lag = [&measured](double seconds) { measured.event_lag(seconds); };
    out.on_heartbeat = [&measured](double seconds) { measured.heartbeat(seconds); };
    out.on_load = [&measured](double seconds) { measured.load(seconds); };
    return out;
}

std::optional<tls_identity> certificate_of(tls_options const& chosen)
{
    if (!chosen.wanted()) return std::nullopt;
    return std::optional<tls_identity>{std::in_place, chosen.certificate, chosen.key};
}

// "log-level, allow-origin".
std::string listed(std::vector<std::string_view> const& names)
{
    std::string out;
    for (auto const name : names) out.append(out.empty() ? "" : ", ").append(name);
    return out;
}

// Ends the process without destructors: suspended coroutines still refer to the objects that they use.
[[noreturn]] void leave(int status)
{
    std::_Exit(status);
}

asio::awaitable<void> sleep_for(std::chrono::milliseconds length)
{
    asio::steady_timer timer{co_await asio::this_coro::executor, length};
    co_await timer.async_wait(as_values);
}

// The replicas, as subscriptions see them.
class replica_directory final : public tally_directory {
public:
    replica_directory(replica_set& of, cache::limits bounds) : replicas_{of}, bounds_{bounds} {}

    cache::tally* find(std::string_view name) override { return replicas_.find(name); }
    bool knows_tallies() const override { return replicas_.knows_tallies(); }
    cache::reason failure() const override
    {
        return replicas_.trouble_is_permanent() ? replicas_.trouble() : cache::reason{};
    }
    cache::limits const& bounds() const override { return bounds_; }

private:
    replica_set& replicas_;
    cache::limits const bounds_;
};

}  // namespace

struct service::impl {
    impl(serve_options chosen, service::read_options read);

    void start(asio::awaitable<void> task, char const* name);
    void announce() const;
    std::string metrics_text(bool open);
    asio::awaitable<void> watch_signals();
    asio::awaitable<void> watch_hangups();
    void read_again();
    void read_options_again();
    void read_certificate_again();
    void read_keys_again();
    void reopen_access_log();
    void warn_of_end() const;
    void open_addresses();
    asio::awaitable<void> watch_clients();
    asio::awaitable<void> drain();
    asio::awaitable<void> close_subscribers();
    asio::awaitable<void> finish_tables(clock::time_point until);
    asio::awaitable<void> tell_supervisor();
    std::string status();
    bool quiet() const noexcept;

    serve_options options;  // SIGHUP changes some
    service::read_options const options_again;
    asio::io_context io{1};
    bool draining = false, closing = false;
    bool over = false;
    int tasks = 0;  // running coroutines of the service itself
    asio::signal_set signals{io, SIGTERM, SIGINT}, hangups{io, SIGHUP};
    authority who_may{options.auth, options.bounds};
    asio::steady_timer next_look{io};
    supervisor told{environment_variable, ::getpid()};
    metrics measured;
    traffic counted{
        .on_answered = [this](std::string_view route, double seconds) { measured.request(route, seconds); }};
    clients connected;
    ready_queue ready{io, options.bounds.ready_at_once};
    std::optional<tls_identity> tls{certificate_of(options.tls)};
    fair_turns handshakes{io};
    access_log accesses{options.access_log, options.format};
    shared_changes shared{options.bounds.max_shared_changes, options.bounds.max_shared_keys};
    web_folder web{options.web, options.bounds.max_web_file_bytes, options.bounds.web_piece_bytes};
    replica_set replicas{io.get_executor(), replica_config(options, measured, connected, kept)};
    replica_directory tallies{replicas, tally_limits(options)};
    materializers kept{io.get_executor(), replicas, database_config(options.dsn), options.materialize_every,
                       options.bounds};
    actions acts{io.get_executor(), replicas, database_config(options.dsn), options.bounds};
    bypass database{io.get_executor(), database_config(options.dsn), options.bounds};
    std::optional<audit_rounds> audits;
    push_scratch scratch;
    push_context const pushes{options.bounds, connected, ready, counted, accesses, scratch, closing};
    sse_server events{sse_context{pushes, tallies, shared, who_may}};
    refused_origins refused{options.bounds};
    api requests{api::sources{.options = options,
                              .replicas = replicas,
                              .acts = acts,
                              .database = database,
                              .events = events,
                              .web = web,
                              .refused = refused,
                              .who_may = who_may,
                              .metrics_text = [this](bool open) { return metrics_text(open); },
                              .on_action = [this](double seconds) { measured.action(seconds); },
                              .draining = draining,
                              .closing = closing}};
    ws_server websockets{ws_context{pushes, tallies, shared, who_may}};
    address_places by_address{options.bounds.max_address_clients};
    connection_context with{options.bounds, requests,
                            websockets,     connected,
                            counted,        accesses,
                            closing,        options.trusted_proxies,
                            by_address,     tls ? &*tls : nullptr,
                            handshakes};
    std::vector<std::unique_ptr<acceptor>> addresses;
};

service::impl::impl(serve_options chosen, service::read_options read)
    : options{std::move(chosen)}, options_again{std::move(read)}
{
    if (options.audit_every) {
        audits.emplace(io.get_executor(), replicas, *options.audit_every, options.bounds.audit_timeout);
    }
    open_addresses();
}

void service::impl::open_addresses()
{
    auto const add = [this](listening at, address_kind kind) {
        bool const encrypted = tls && kind == address_kind::open;
        addresses.push_back(std::make_unique<acceptor>(std::move(at), kind, encrypted));
    };
    for (auto const& each : options.sockets)
        add(listen_by(io, each.descriptor), each.name == "admin" ? address_kind::admin : address_kind::open);
    listening_options const open{.reuse_port = options.reuse_port};
    for (auto const& where : options.listen) add(listen_at(io, where, open), address_kind::open);
    // By its rights, a Unix socket is for the server's own user and group.
    listening_options const admin{.reuse_port = options.reuse_port, .unix_mode = 0660};
    if (options.admin_listen) add(listen_at(io, *options.admin_listen, admin), address_kind::admin);
}

void service::impl::start(asio::awaitable<void> task, char const* name)
{
    ++tasks;
    auto const on_end = [this, name](std::exception_ptr failure) {
        --tasks;
        if (!failure) return;
        log_defect(name, std::move(failure));
        leave(1);
    };
    asio::co_spawn(io, std::move(task), on_end);
}

void service::impl::announce() const
{
    log(log_level::info, "pgtally {} of {}", version(), database_config(options.dsn).redacted());
    for (auto const& address : addresses) {
        auto const what = address->kind() == address_kind::admin ? "admin at" : "listening at";
        if (address->address().is_unix()) log(log_level::info, "{} {}", what, to_string(address->address()));
        else
            log(log_level::info, "{} {}://{}/", what, address->encrypted() ? "https" : "http",
                to_string(address->address()));
    }
    if (tls) log(log_level::info, "TLS: the certificate of {}", tls->described());
    warn_of_end();
    auto const reachable = [](auto const& address) {
        return address->kind() == address_kind::open && !address->loopback() && !address->address().is_unix();
    };
    if (!who_may.requires_tokens() && std::any_of(addresses.begin(), addresses.end(), reachable)) {
        log(log_level::warn,
            "everybody who reaches a public address may read every tally{}: --auth-key requires tokens",
            options.writable ? " and run every action" : "");
    }
    auto const descriptors = raise_descriptor_limit();
    if (descriptors < options.bounds.max_clients + options.bounds.kept_descriptors) {
        log(log_level::warn, "the limit of {} descriptors is too low for {} clients: raise it (ulimit -n)", descriptors,
            options.bounds.max_clients);
    }
}

std::string service::impl::metrics_text(bool open)
{
    auto out = measured.text({options, replicas, connected, counted, kept.stats(), who_may, requests.waits()});
    return open ? to_openmetrics(out) : out;
}

asio::awaitable<void> service::impl::watch_signals()
{
    co_await signals.async_wait(as_values);
    log(log_level::info, "shutting down");
    start(drain(), "the drain");
    auto const [failure, number] = co_await signals.async_wait(as_values);
    if (failure) co_return;
    log(log_level::warn, "ended by a second signal");
    leave(1);
}

// SIGHUP, until the drain ends.
asio::awaitable<void> service::impl::watch_hangups()
{
    while (!over) {
        auto const [failure, number] = co_await hangups.async_wait(as_values);
        if (!failure) read_again();
    }
}

// Reads what may change while the server runs.
void service::impl::read_again()
{
    read_options_again();
    read_certificate_again();
    read_keys_again();
    reopen_access_log();
}

void service::impl::read_options_again()
{
    try {
        auto const fresh = options_again();
        auto const restart = unchanged_until_restart(options, fresh);
        auto const changed = take_changes(options, fresh);
        set_log_level(options.level);
        log(log_level::info, "SIGHUP: {}", changed.empty() ? "no option changed" : "changed: " + listed(changed));
        if (!restart.empty())
            log(log_level::warn, "SIGHUP: these options change by a restart only: {}", listed(restart));
    } catch (std::exception const& e) {
        log(log_level::error, "SIGHUP: the options stay as they were: {}", e.what());
    }
}

void service::impl::read_certificate_again()
{
    if (!tls) return;
    try {
        tls->read();
        log(log_level::info, "SIGHUP: the certificate of {}", tls->described());
        warn_of_end();
    } catch (bad_certificate const& e) {
        log(log_level::error, "SIGHUP: the certificate stays as it was: {}", e.what());
    }
}

void service::impl::read_keys_again()
{
    if (!who_may.requires_tokens()) return;
    try {
        log(log_level::info, "SIGHUP: {} key(s) for tokens", who_may.read_keys());
    } catch (bad_key_file const& e) {
        log(log_level::error, "SIGHUP: the keys for tokens stay as they were: {}", e.what());
    }
}

void service::impl::reopen_access_log()
{
    try {
        accesses.reopen();
    } catch (std::exception const& e) {
        log(log_level::error, "SIGHUP: {}; the old file is written still", e.what());
    }
}

void service::impl::warn_of_end() const
{
    if (tls && tls->ends() < std::chrono::system_clock::now())
        log(log_level::warn, "the certificate has ended: clients refuse it");
}

asio::awaitable<void> service::impl::watch_clients()
{
    while (!over) {
        next_look.expires_after(options.bounds.stall_check);
        co_await next_look.async_wait(as_values);
        connected.check_liveness(clock::now());
        accesses.flush();
        log_repeats();
    }
}

// A loop that hangs sends nothing, so that the supervisor starts the program again.
asio::awaitable<void> service::impl::tell_supervisor()
{
    using namespace std::chrono_literals;
    auto const pause = std::min<std::chrono::microseconds>(told.watchdog().value_or(1s), 1s);
    told.ready();
    while (!over) {
        if (told.watchdog()) told.alive();
        told.status(status());
        asio::steady_timer timer{io, pause};
        co_await timer.async_wait(as_values);
    }
}

// "2 of 3 tallies live, 17 clients".
std::string service::impl::status()
{
    if (draining) return "shutting down, " + std::to_string(connected.size()) + " clients left";
    if (!replicas.knows_tallies()) return "waiting for the database";
    auto const& all = replicas.all();
    auto const live = std::count_if(all.begin(), all.end(),
                                    [](auto const& each) { return each.second->state() == cache::state::live; });
    return std::to_string(live) + " of " + std::to_string(all.size()) + " tallies live, " +
           std::to_string(connected.size()) + " clients";
}

asio::awaitable<void> service::impl::drain()
{
    draining = true;
    told.stopping();
    co_await sleep_for(options.drain_delay);
    auto const until = clock::now() + options.bounds.drain_timeout;
    auto const ends = clock::now() + options.bounds.drain_end;
    kept.hurry();
    closing = true;
    requests.end_waits();
    for (auto const& address : addresses) address->close();
    for (auto* const each : connected.those_of(protocol::http)) each->drain();
    // An audit may take longer than a drain.
    if (audits) audits->stop();
    replicas.let_audits_go();
    co_await close_subscribers();

    using namespace std::chrono_literals;
    while (connected.size() > 0 && clock::now() < until) co_await sleep_for(20ms);
    if (connected.size() > 0) log(log_level::warn, "{} clients did not close in time: cut", connected.size());
    for (auto const speaks : {protocol::http, protocol::websocket, protocol::sse}) {
        for (auto* const each : connected.those_of(speaks)) each->cut();
    }
    co_await finish_tables(ends);
    replicas.stop();
    over = true;
    next_look.cancel();
    signals.cancel();
    hangups.cancel();
    // The remaining coroutines end within a turn or two, unless they wait for the database.
    for (int turns = 0; !quiet() && turns < 25; ++turns) co_await sleep_for(20ms);
    log(log_level::info, "ended");
    if (!quiet()) leave(0);
}

// Called after the clients are gone, so that the tables contain what their actions did.
asio::awaitable<void> service::impl::finish_tables(clock::time_point until)
{
    using namespace std::chrono_literals;
    kept.finish();
    while (kept.busy() > 0 && clock::now() < until) co_await sleep_for(10ms);
    if (kept.busy() == 0) co_return;
    log(log_level::warn, "the last changes of {} table(s) could not be written in time; the next server writes them",
        kept.busy());
    kept.cut();
}

// Whether only the drain still runs.
bool service::impl::quiet() const noexcept
{
    auto const open = with.open_places, admin = with.admin_places;
    return tasks <= 1 && open.served + open.refused + admin.served + admin.refused == 0;
}

asio::awaitable<void> service::impl::close_subscribers()
{
    constexpr std::size_t steps = 20;
    auto all = connected.those_of(protocol::websocket);
    auto const streams = connected.those_of(protocol::sse);
    all.insert(all.end(), streams.begin(), streams.end());
    auto const batch = all.size() / steps + 1;
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (i > 0 && i % batch == 0) co_await sleep_for(options.bounds.drain_spread / steps);
        if (connected.contains(all[i])) all[i]->drain();
    }
}

service::service(serve_options chosen, read_options again)
    : impl_{std::make_unique<impl>(std::move(chosen), std::move(again))}
{
}

service::~service() = default;

int service::run()
{
    impl_->announce();
    impl_->start(impl_->watch_signals(), "the watch for signals");
    impl_->start(impl_->watch_hangups(), "the watch for SIGHUP");
    impl_->start(impl_->watch_clients(), "the watch of clients");
    impl_->start(impl_->replicas.run(), "the replicas");
    impl_->start(impl_->kept.run(), "materialization");
    if (impl_->audits) impl_->start(impl_->audits->run(), "the audits");
    for (auto const& address : impl_->addresses) impl_->start(address->run(impl_->with), "an address");
    if (impl_->told.listens()) impl_->start(impl_->tell_supervisor(), "the supervisor's news");
    impl_->io.run();
    return 0;
}

}  // namespace pgtally::server
