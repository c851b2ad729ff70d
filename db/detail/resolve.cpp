#include <pgtally/db/detail/resolve.hpp>

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

namespace pgtally::db::detail {
namespace {

constexpr char const* default_port = "5432";

std::vector<std::string> split(pq::options const& from, std::string_view keyword)
{
    std::vector<std::string> parts;
    auto const found = from.find(keyword);
    if (found == from.end()) return parts;
    std::string_view rest = found->second;
    for (;;) {
        auto const comma = rest.find(',');
        parts.emplace_back(rest.substr(0, comma));
        if (comma == std::string_view::npos) return parts;
        rest.remove_prefix(comma + 1);
    }
}

bool is_literal(std::string const& host)
{
    error_code ec;
    asio::ip::make_address(host, ec);
    return !ec;
}

bool is_socket_folder(std::string const& host)
{
    return host[0] == '/' || host[0] == '@';
}

void check_port(std::string const& port)
{
    auto const digit = [](char c) { return c >= '0' && c <= '9'; };
    auto const number = port.size() <= 5 && std::all_of(port.begin(), port.end(), digit);
    if (number && (port.empty() || (std::stoi(port) >= 1 && std::stoi(port) <= 65535))) return;
    // The text does not show the value: in "postgresql://user:pass/word@host" it is the password.
    throw error(errc::bad_config,
                "the connection string has a port that is not a number from 1 to 65535 "
                "(in a URI, percent-encode the password)");
}

void check_host(std::string const& host)
{
    if (host.find('@', 1) == std::string::npos) return;
    throw error(errc::bad_config,
                "the connection string has a host name with an @ in it (in a URI, percent-encode the password)");
}

}  // namespace

std::vector<target> targets(pq::options const& from)
{
    auto const hosts = split(from, "host");
    auto const addresses = split(from, "hostaddr");
    auto const ports = split(from, "port");
    if (!hosts.empty() && !addresses.empty() && hosts.size() != addresses.size())
        throw error(errc::bad_config, "the connection string names " + std::to_string(hosts.size()) + " hosts, but " +
                                          std::to_string(addresses.size()) + " addresses (hostaddr)");
    auto const count = std::max({hosts.size(), addresses.size(), std::size_t{1}});
    if (ports.size() > 1 && ports.size() != count)
        throw error(errc::bad_config, "the connection string names " + std::to_string(count) + " hosts, but " +
                                          std::to_string(ports.size()) + " ports");
    std::vector<target> result(count);
    for (std::size_t i = 0; i < count; ++i) {
        auto& to = result[i];
        if (!hosts.empty()) to.host = hosts[i];
        if (!addresses.empty()) to.address = addresses[i];
        if (!ports.empty()) to.port = ports[ports.size() == 1 ? 0 : i];
        if (to.port.empty()) to.port = default_port;
        check_port(to.port);
        check_host(to.host);
        if (to.address.empty() && !to.host.empty() && is_literal(to.host)) to.address = to.host;
    }
    return result;
}

std::string describe(std::vector<target> const& places, pq::options const& from)
{
    std::string text;
    for (auto const& each : places) {
        if (!text.empty()) text += ',';
        auto const& named = each.host.empty() ? each.address : each.host;
        text.append(named.empty() ? "local" : named).append(":").append(each.port);
    }
    return pq::describe(text, pq::get(from, "dbname"), pq::get(from, "user"));
}

bool needs_lookup(target const& to)
{
    return to.address.empty() && !to.host.empty() && !is_socket_folder(to.host);
}

asio::awaitable<lookup_result> lookup(asio::any_io_executor executor, std::shared_ptr<signal> wake, target to)
{
    struct state {
        explicit state(asio::any_io_executor on) : resolver(std::move(on)) {}
        asio::ip::tcp::resolver resolver;
        std::optional<lookup_result> result{};
        bool abandoned = false;
    };
    auto const shared = std::make_shared<state>(std::move(executor));
    wake->clear();
    // A handler instead of co_await: getaddrinfo cannot be interrupted, but a wait for the signal can.
    auto handler = [shared, wake, to](error_code ec, asio::ip::tcp::resolver::results_type entries) {
        if (shared->abandoned) return;
        auto& result = shared->result.emplace();
        result.failure = ec;
        for (auto const& entry : entries) {
            auto found = to;
            found.address = entry.endpoint().address().to_string();
            result.found.push_back(std::move(found));
        }
        wake->notify();
    };
    shared->resolver.async_resolve(to.host, to.port, std::move(handler));
    lookup_result result;
    result.failure = asio::error::operation_aborted;
    try {
        co_await wake->wait();
    } catch (error const&) {
        // The coroutine was cancelled: continue as after a notification.
    }
    shared->abandoned = true;
    if (shared->result) result = std::move(*shared->result);
    co_return result;
}

}  // namespace pgtally::db::detail
