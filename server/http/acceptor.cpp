#include <pgtally/server/base/log.hpp>
#include <pgtally/server/http/acceptor.hpp>
#include <pgtally/server/http/descriptor_room.hpp>
#include <pgtally/server/http/forwarded.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>

#include <array>
#include <cstring>
#include <exception>
#include <optional>
#include <utility>

#include <netinet/in.h>
#include <sys/socket.h>

namespace pgtally::server {

namespace {

bool out_of_resources(boost::system::error_code const& failure)
{
    using namespace boost::system::errc;
    return failure == too_many_files_open || failure == too_many_files_open_in_system || failure == no_buffer_space ||
           failure == not_enough_memory;
}

ip_address address_of(stream_protocol::endpoint const& from)
{
    auto const* const address = static_cast<sockaddr const*>(from.data());
    ip_address out;
    if (address->sa_family == AF_INET) {
        std::array<std::uint8_t, 4> bytes{};
        std::memcpy(bytes.data(), &reinterpret_cast<sockaddr_in const*>(address)->sin_addr, bytes.size());
        out = v4_address(bytes);
    } else if (address->sa_family == AF_INET6) {
        std::memcpy(out.bytes.data(), &reinterpret_cast<sockaddr_in6 const*>(address)->sin6_addr, out.bytes.size());
    } else {
        out.is_unix = true;
    }
    return out;
}

void report(std::exception_ptr failure)
{
    if (failure) log_defect("a connection", std::move(failure));
}

}  // namespace

acceptor::acceptor(listening at, address_kind kind, bool encrypted)
    : at_{std::move(at)}, where_{kind, at_.loopback, encrypted && !at_.address.is_unix()}
{
}

void acceptor::close() noexcept
{
    if (!at_.socket.is_open()) return;
    boost::system::error_code ignored;
    at_.socket.close(ignored);
    remove_file(at_);
}

asio::awaitable<void> acceptor::pause(std::chrono::milliseconds length)
{
    asio::steady_timer timer{co_await asio::this_coro::executor, length};
    co_await timer.async_wait(as_values);
}

// Accepts one of the connections that wait. If none waits any more, fails with `would_block`.
boost::system::error_code acceptor::accept(stream_socket& into, ip_address& from, limits const& bounds)
{
    bool const room =
        kind() == address_kind::admin || room_for_client(at_.socket.native_handle(), bounds.kept_descriptors);
    boost::system::error_code failure;
    if (!room) return boost::system::errc::make_error_code(boost::system::errc::too_many_files_open);
    stream_protocol::endpoint peer;
    at_.socket.accept(into, peer, failure);
    if (failure) return failure;
    from = address_of(peer);
    boost::system::error_code ignored;
    if (!at_.address.is_unix()) into.set_option(tcp::no_delay{true}, ignored);
    return failure;
}

asio::awaitable<void> acceptor::run(connection_context& with)
{
    using clock = std::chrono::steady_clock;
    bool full = false, told = false;
    auto tell_at = clock::time_point::min();
    while (at_.socket.is_open()) {
        auto const [ended] = co_await at_.socket.async_wait(stream_acceptor::wait_read, as_values);
        if (ended || !at_.socket.is_open()) break;
        auto const failure = take_waiting(with);
        if (out_of_resources(failure)) {
            // Near the limit, accepts alternately fail and succeed: limit the rate of both log lines.
            if (!std::exchange(full, true) && clock::now() >= tell_at) {
                log(log_level::error, "cannot accept connections: {}", failure.message());
                told = true;
                tell_at = clock::now() + with.bounds.accept_report;
            }
            co_await pause(with.bounds.accept_pause);
            continue;
        }
        if (failure) continue;
        full = false;
        if (std::exchange(told, false)) log(log_level::info, "accepting connections again");
    }
}

// Takes the connections that wait, a few at a time. Fails only if it could take none.
boost::system::error_code acceptor::take_waiting(connection_context& with)
{
    for (std::size_t taken = 0; taken < with.bounds.accept_at_once; ++taken) {
        stream_socket socket{at_.socket.get_executor()};
        ip_address from;
        auto const failure = accept(socket, from, with.bounds);
        if (failure) return taken == 0 ? failure : boost::system::error_code{};
        take(std::move(socket), from, with);
    }
    return {};
}

void acceptor::take(stream_socket socket, ip_address const& address, connection_context& with)
{
    auto& of = kind() == address_kind::admin ? with.admin_places : with.open_places;
    auto const most = kind() == address_kind::admin ? with.bounds.max_admin_clients : with.bounds.max_clients;
    auto const executor = socket.get_executor();
    // Whose connection a trusted proxy's is, `http_session` finds out.
    bool const judged = kind() == address_kind::open && !address.is_unix && !is_trusted(with.trusted, address);
    std::optional<address_places::place> place{std::in_place};
    if (judged) place = with.by_address.take(address);
    bool const room = of.served < most && place;
    if (!room && of.refused >= with.bounds.max_refusals) return;
    place_held held{room ? of.served : of.refused, place ? std::move(*place) : address_places::place{}};
    auto session = room ? serve_connection(std::move(socket), address, with, where_, std::move(held))
                        : refuse_connection(std::move(socket), address, with, where_, std::move(held),
                                            place ? crowded::everywhere : crowded::at_address);
    asio::co_spawn(executor, std::move(session), report);
}

}  // namespace pgtally::server
