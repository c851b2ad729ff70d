#include <pgtally/server/base/reload.hpp>

namespace pgtally::server {

namespace {

template <class Value>
void take(std::vector<std::string_view>& changed, std::string_view name, Value& into, Value const& fresh)
{
    if (into == fresh) return;
    into = fresh;
    changed.push_back(name);
}

}  // namespace

std::vector<std::string_view> take_changes(serve_options& into, serve_options const& fresh)
{
    std::vector<std::string_view> out;
    take(out, "log-level", into.level, fresh.level);
    take(out, "allow-origin", into.allow_origin, fresh.allow_origin);
    take(out, "allow-header", into.allow_header, fresh.allow_header);
    take(out, "allow-host", into.allow_host, fresh.allow_host);
    take(out, "trusted-proxy", into.trusted_proxies, fresh.trusted_proxies);
    return out;
}

std::vector<std::string_view> unchanged_until_restart(serve_options const& now, serve_options const& fresh)
{
    std::vector<std::string_view> out;
    auto const compare = [&](std::string_view name, auto const& value_of) {
        if (value_of(now) != value_of(fresh)) out.push_back(name);
    };
    using all = serve_options const&;
    compare("dsn", [](all of) { return of.dsn; });
    compare("listen", [](all of) { return of.listen; });
    compare("admin-listen", [](all of) { return of.admin_listen; });
    compare("reuse-port", [](all of) { return of.reuse_port; });
    compare("tls-cert", [](all of) { return of.tls.certificate; });
    compare("tls-key", [](all of) { return of.tls.key; });
    compare("tally", [](all of) { return of.tallies; });
    compare("heartbeat", [](all of) { return of.heartbeat; });
    compare("materialize-every", [](all of) { return of.materialize_every; });
    compare("audit-every", [](all of) { return of.audit_every; });
    compare("writable", [](all of) { return of.writable; });
    compare("allow-bypass", [](all of) { return of.allow_bypass; });
    compare("auth-key", [](all of) { return of.auth.key_files; });
    compare("auth-cookie", [](all of) { return of.auth.cookie; });
    compare("auth-audience", [](all of) { return of.auth.audience; });
    compare("auth-issuer", [](all of) { return of.auth.issuer; });
    compare("public", [](all of) { return of.auth.public_tallies; });
    compare("max-clients", [](all of) { return of.bounds.max_clients; });
    compare("max-clients-per-address", [](all of) { return of.bounds.max_address_clients; });
    compare("keep-alive", [](all of) { return of.bounds.keep_alive; });
    compare("ping-every", [](all of) { return of.bounds.ping_after; });
    compare("max-keys", [](all of) { return of.max_keys; });
    compare("wal-lag-limit", [](all of) { return of.wal_lag_limit; });
    compare("action-batch", [](all of) { return of.bounds.action_batch; });
    compare("drain-delay", [](all of) { return of.drain_delay; });
    compare("web", [](all of) { return of.web; });
    compare("access-log", [](all of) { return of.access_log; });
    compare("log-format", [](all of) { return of.format; });
    return out;
}

}  // namespace pgtally::server
