// How a connection is opened: host names, addresses in order, libpq's steps for each, on_connect.

#include <pgtally/db/detail/client_failure.hpp>
#include <pgtally/db/detail/connection_core.hpp>
#include <pgtally/db/keepalive_times.hpp>

#include <boost/asio/error.hpp>

#include <cstdlib>
#include <utility>

namespace pgtally::db::detail {
namespace {

using wait_type = asio::posix::stream_descriptor::wait_type;

constexpr char const* session_attrs = "target_session_attrs";

// libpq's own default is "any", which looks the same as an "any" from the service file.
bool names_session_attrs(pq::options const& named, pq::options const& effective)
{
    if (named.contains(session_attrs) || std::getenv("PGTARGETSESSIONATTRS") != nullptr) return true;
    auto const value = pq::get(effective, session_attrs);
    return !value.empty() && value != "any";
}

// Refusals that a retry does not fix: class 28 (authentication and authorization), 3D000 (unknown database),
// 42501 (the role may not enter the database).
bool is_refused_login(sqlstate const& state)
{
    return state.in_class("28") || state.is("3D000") || state.is("42501");
}

pq::options for_target(pq::options wanted, target const& to)
{
    wanted.insert_or_assign("host", to.host);
    wanted.insert_or_assign("hostaddr", to.address);
    wanted.insert_or_assign("port", to.port);
    return wanted;
}

// True if another address may succeed.
bool try_next(error const& failure)
{
    return failure.code() == errc::connect_failed || failure.code() == errc::timed_out ||
           failure.code() == errc::connection_lost || failure.code() == errc::tls_failed ||
           failure.code() == errc::read_only;
}

}  // namespace

asio::awaitable<void> connection_core::connect(pointer self, config settings, pq::options also)
{
    operation op(self, "connect to", std::string());
    op.started();
    self->shut(errc::closed);
    auto const closes = self->closes_;
    while (self->recovering_) co_await self->recovered_.wait();  // ends soon, because the connection is closed
    if (closes != self->closes_) throw self->gone();
    self->settings_ = std::move(settings);
    self->timeout_ = self->settings_.query_timeout;
    self->description_ = "a server";

    auto const named = pq::parse(self->settings_.conninfo);
    auto const effective = pq::effective(named);
    auto places = targets(effective);
    self->description_ = describe(places, effective);
    auto wanted = self->complete(named, effective);
    for (auto const& [keyword, value] : also) wanted.insert_or_assign(keyword, value);
    self->revive();
    auto resolved = co_await self->resolve(std::move(places));

    // For prefer-standby libpq tries all hosts twice. This code does the same, because it gives libpq one host at
    // a time: the timeout is for each address, and libpq's asynchronous calls have none.
    auto const attrs = wanted.find(session_attrs);
    auto const prefer_standby = attrs != wanted.end() && attrs->second == "prefer-standby";
    if (prefer_standby) {
        attrs->second = "standby";
        auto const connected = co_await self->connect_any(wanted, resolved, false);
        if (!connected) attrs->second = "any";
    }
    if (!self->conn_) co_await self->connect_any(std::move(wanted), std::move(resolved), true);

    self->description_ = self->conn_.describe();
    self->arm(self->settings_.connect_timeout);
    for (auto const& sql : self->settings_.on_connect) {
        self->action_ = "on_connect on";
        self->statement_ = sql;
        auto const result = co_await self->run_script();
        self->check(result);
    }
    self->open_ = true;
    op.finish();
    self->log(level::debug, "connected to " + self->description_);
}

// Skips names that cannot be resolved if other names can.
asio::awaitable<std::vector<target>> connection_core::resolve(std::vector<target> from)
{
    std::vector<target> found;
    std::string failures;
    for (auto const& to : from) {
        if (!needs_lookup(to)) {
            found.push_back(to);
            continue;
        }
        revive();
        arm(settings_.connect_timeout);
        auto const result = co_await lookup(executor_, wake_, to);
        auto const timed_out = shut_for_ == errc::timed_out;
        if (shut_for_ && !timed_out) throw gone();
        if (result.failure == asio::error::operation_aborted && !timed_out) cancelled();
        for (auto const& each : result.found) found.push_back(each);
        if (!result.failure) continue;
        if (!failures.empty()) failures += "; ";
        failures += "cannot resolve the host name \"" + to.host + "\": ";
        failures += timed_out ? std::string("no answer in time") : result.failure.message();
    }
    revive();
    if (found.empty()) throw error(errc::connect_failed, line(failures, sqlstate()));
    if (!failures.empty()) log(level::warn, description_ + ": " + failures);
    check_alive();  // the log hook may have closed the connection
    co_return found;
}

// Returns true if connected. If no address works, throws the addresses' errors if `final`, else returns false.
asio::awaitable<bool> connection_core::connect_any(pq::options wanted, std::vector<target> to, bool final)
{
    std::vector<error> failures;
    for (auto const& each : to) {
        auto options = for_target(wanted, each);
        try {
            co_await attempt(std::move(options));
            co_return true;
        } catch (error const& failure) {
            if (!try_next(failure)) throw;
            failures.push_back(failure);
        }
    }
    if (!final) co_return false;
    if (failures.size() == 1) throw failures.front();
    diagnostics said;
    auto code = failures.empty() ? error_code(errc::connect_failed) : failures.front().code();
    for (auto const& failure : failures) {
        // One that is read only says more than one that cannot be reached.
        auto const either = failure.code() == errc::read_only || code == errc::read_only;
        if (failure.code() != code) code = either ? errc::read_only : errc::connect_failed;
        if (!failure.state().empty()) said.state = failure.state();
        if (!said.primary.empty()) said.primary += "; ";
        said.primary += failure.primary();
    }
    auto text = line(said.primary, said.state);
    throw error(code, std::move(text), std::move(said));
}

asio::awaitable<void> connection_core::attempt(pq::options wanted)
{
    revive();
    arm(settings_.connect_timeout);
    conn_ = pq::conn(wanted);
    // Before the first PQconnectPoll libpq expects the same as after PGRES_POLLING_WRITING (libpq manual,
    // PQconnectPoll).
    auto next = conn_.bad() ? pq::poll::failed : pq::poll::writing;
    while (next == pq::poll::reading || next == pq::poll::writing) {
        wrap();
        try {
            co_await wait(next == pq::poll::reading ? wait_type::wait_read : wait_type::wait_write);
        } catch (error const& failure) {
            if (failure.code() != errc::timed_out) throw;
            throw timed_out_at(wanted);
        }
        // PQconnectPoll may close this descriptor and open another one with the same number. epoll does not know
        // the new one, so the registration must not survive the call.
        unwrap();
        next = conn_.connect_poll();
    }
    if (next == pq::poll::failed || !conn_.finish_connect()) {
        auto failure = connect_error();
        shut(errc::closed);
        throw failure;
    }
    disarm();
    address_ = std::move(wanted);
    wrap();  // registers again: connecting left write interest behind
    deliver_notices();
    check_alive();
}

// Returns the result of exchange().
asio::awaitable<pq::result> connection_core::run_script()
{
    if (!conn_.send_query(statement_)) lose();
    return exchange();
}

// Adds defaults for what the caller's options leave open.
pq::options connection_core::complete(pq::options named, pq::options const& effective) const
{
    named.insert_or_assign("client_encoding", "UTF8");
    named.emplace("fallback_application_name", settings_.application_name);
    if (!names_session_attrs(named, effective)) named.insert_or_assign(session_attrs, "read-write");
    auto const unless_given = [&](char const* keyword, std::string value) {
        if (!effective.contains(keyword)) named.insert_or_assign(keyword, std::move(value));
    };
    keepalive_times const silence{settings_.peer_timeout};
    unless_given("keepalives_idle", std::to_string(silence.idle.count()));
    unless_given("keepalives_interval", std::to_string(silence.interval.count()));
    unless_given("keepalives_count", std::to_string(silence.count));
    unless_given("tcp_user_timeout", std::to_string(silence.user_timeout.count()));
    // Without any, OpenSSL asks for an encrypted key's on the terminal, and waits. A wrong one is an error.
    unless_given("sslpassword", "none was given");
    return named;
}

error connection_core::connect_error() const
{
    auto said = conn_.connect_failure();
    auto code = error_code(is_refused_login(said.state) ? errc::login_failed : errc::connect_failed);
    if (said.state.empty()) code = client_failure(said.primary).code;
    if (conn_.needs_password()) code = errc::login_failed;
    auto text = line(said.primary, said.state);
    return error(code, std::move(text), std::move(said));
}

error connection_core::timed_out_at(pq::options const& wanted) const
{
    diagnostics said;
    auto const host = pq::get(wanted, "host");
    said.primary = std::string(host.empty() ? pq::get(wanted, "hostaddr") : host);
    said.primary.append(":").append(pq::get(wanted, "port")).append(" does not answer in time");
    auto text = line(said.primary, sqlstate());
    return error(errc::timed_out, std::move(text), std::move(said));
}

// Resets the state before another attempt.
void connection_core::revive() noexcept
{
    shut_for_.reset();
    interrupted_ = expired_ = false;
    last_words_ = diagnostics();
}

}  // namespace pgtally::db::detail
