#pragma once

#include <pgtally/db/detail/pq.hpp>
#include <pgtally/db/detail/signal.hpp>
#include <pgtally/db/error.hpp>

#include <memory>
#include <string>
#include <vector>

/// Where to connect. libpq resolves names by a call that blocks; we resolve them by Asio, whose
/// resolver has a thread of its own, and hand libpq addresses. The name goes along: TLS and the
/// password file want it.
namespace pgtally::db::detail {

/// One place to try. `address` is empty for a Unix-domain socket (host is its folder, or begins
/// with @) and for libpq's default.
struct target {
    std::string host{};
    std::string address{};
    std::string port{};

    friend bool operator==(target const&, target const&) = default;
};

/// The places that host, hostaddr and port name, in order; literal addresses are filled in. At
/// least one. Throws error (bad_config) if the lists do not match, or if they look like pieces of a
/// mistyped URI, which must not get into a message.
std::vector<target> targets(pq::options const& from);

/// "host:port,host:port/dbname as user", for logs and errors.
std::string describe(std::vector<target> const& places, pq::options const& from);

/// Is this a name that must be looked up?
bool needs_lookup(target const& to);

struct lookup_result {
    error_code failure{};
    std::vector<target> found{};  ///< `to` once for each address, in the resolver's order
};

/// Looks up one name. Ends early, with operation_aborted, if `wake` is notified by somebody else:
/// the resolver cannot be interrupted, so it is left to end by itself.
asio::awaitable<lookup_result> lookup(asio::any_io_executor executor, std::shared_ptr<signal> wake, target to);

}  // namespace pgtally::db::detail
