#pragma once

#include <pgtally/db/detail/pq.hpp>
#include <pgtally/db/detail/signal.hpp>
#include <pgtally/db/error.hpp>

#include <memory>
#include <string>
#include <vector>

/// Where to connect. libpq's own name resolution blocks. So Asio resolves names, in a thread of its resolver, and
/// libpq gets addresses. libpq also gets the name, which TLS and the password file need.
namespace pgtally::db::detail {

/// One address to try. `address` is empty for a Unix-domain socket (`host` is its folder, or begins with @) and
/// for libpq's default.
struct target {
    std::string host{};
    std::string address{};
    std::string port{};

    friend bool operator==(target const&, target const&) = default;
};

/// The targets that host, hostaddr and port name, in order, at least one. Literal addresses are filled in. Throws
/// error (bad_config) if the lists do not match, or if they look like parts of a mistyped URI, which must not get
/// into a message.
std::vector<target> targets(pq::options const& from);

/// "host:port,host:port/dbname as user", for logs and errors.
std::string describe(std::vector<target> const& places, pq::options const& from);

/// True if the host is a name that must be resolved.
bool needs_lookup(target const& to);

struct lookup_result {
    error_code failure{};
    std::vector<target> found{};  ///< `to` once for each address, in the resolver's order
};

/// Resolves one name. If another coroutine notifies `wake`, returns early with operation_aborted. The resolver
/// cannot be interrupted; it ends by itself.
asio::awaitable<lookup_result> lookup(asio::any_io_executor executor, std::shared_ptr<signal> wake, target to);

}  // namespace pgtally::db::detail
