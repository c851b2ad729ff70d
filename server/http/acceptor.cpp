#include <pgtally/server/base/log.hpp>
#include <pgtally/server/http/acceptor.hpp>
#include <pgtally/server/http/descriptor_room.hpp>
#include <pgtally/server/http/forwarded.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/system/system_error.hpp>

#include <exception>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

namespace pgtally::server {

namespace {

tcp::endpoint resolve(asio::io_context& io, endpoint const& where)
{
    boost::system::error_code failure;
    auto const numeric = asio::ip::make_address(where.host, failure);
    if (!failure) return {numeric, where.port};
    tcp::resolver names{io};
    auto const flags = tcp::resolver::passive | tcp::resolver::numeric_service;
    return names.resolve(where.host, std::to_string(where.port), flags).begin()->endpoint();
}

bool out_of_resources(boost::system::error_code const& failure)
{
    using namespace boost::system::errc;
    return failure == too_many_files_open || failure == too_many_files_open_in_system || failure == no_buffer_space ||
           failure == not_enough_memory;
}

ip_address address_of(tcp::endpoint const& from)
{
    auto const address = from.address();
    return address.is_v4() ? v4_address(address.to_v4().to_bytes()) : ip_address{address.to_v6().to_bytes()};
}

void report(std::exception_ptr failure)
{
    if (!failure) return;
    try {
        std::rethrow_exception(failure);
    } catch (std::exception const& e) {
        log(log_level::error, "a connection ended because of a defect: {}", e.what());
    } catch (...) {
        log(log_level::error, "a connection ended because of a defect: an exception of an unknown type");
    }
}

}  // namespace

acceptor::acceptor(asio::io_context& io, endpoint const& where, address_kind kind)
    : socket_{io}, address_{where}, where_{kind}
{
    try {
        auto const at = resolve(io, where);
        socket_.open(at.protocol());
        socket_.set_option(tcp::acceptor::reuse_address{true});
        if (at.address().is_v6()) socket_.set_option(asio::ip::v6_only{true});
        socket_.bind(at);
        socket_.listen(4'096);
        socket_.non_blocking(true);
        where_.loopback = at.address().is_loopback();
        address_.host = socket_.local_endpoint().address().to_string();
        address_.port = socket_.local_endpoint().port();
    } catch (boost::system::system_error const& e) {
        // what() of a system_error would add a place in Asio's code.
        throw std::runtime_error{"cannot listen at " + to_string(where) + ": " + e.code().message()};
    }
}

void acceptor::close() noexcept
{
    boost::system::error_code ignored;
    socket_.close(ignored);
}

asio::awaitable<void> acceptor::pause(std::chrono::milliseconds length)
{
    asio::steady_timer timer{co_await asio::this_coro::executor, length};
    co_await timer.async_wait(as_values);
}

// Accepts one of the connections that wait. If none waits any more, fails with `would_block`.
boost::system::error_code acceptor::accept(tcp_socket& into, tcp::endpoint& from, limits const& bounds)
{
    bool const room =
        kind() == address_kind::admin || room_for_client(socket_.native_handle(), bounds.kept_descriptors);
    boost::system::error_code failure;
    if (!room) failure = boost::system::errc::make_error_code(boost::system::errc::too_many_files_open);
    else socket_.accept(into, from, failure);
    return failure;
}

asio::awaitable<void> acceptor::run(connection_context& with)
{
    using clock = std::chrono::steady_clock;
    bool full = false, told = false;
    auto tell_at = clock::time_point::min();
    while (socket_.is_open()) {
        auto const [ended] = co_await socket_.async_wait(tcp_acceptor::wait_read, as_values);
        if (ended || !socket_.is_open()) break;
        tcp_socket socket{socket_.get_executor()};
        tcp::endpoint from;
        auto const failure = accept(socket, from, with.bounds);
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
        take(std::move(socket), from, with);
    }
}

void acceptor::take(tcp_socket socket, tcp::endpoint const& from, connection_context& with)
{
    auto const address = address_of(from);
    auto& of = kind() == address_kind::admin ? with.admin_places : with.open_places;
    auto const most = kind() == address_kind::admin ? with.bounds.max_admin_clients : with.bounds.max_clients;
    auto const executor = socket.get_executor();
    // Whose connection a trusted proxy's is, `http_session` finds out.
    bool const judged = kind() == address_kind::open && !is_trusted(with.trusted, address);
    std::optional<address_places::place> place{std::in_place};
    if (judged) place = with.by_address.take(address);
    bool const room = of.served < most && place;
    if (!room && of.refused >= with.bounds.max_refusals) return;
    auto& count = room ? of.served : of.refused;
    ++count;
    auto session =
        room ? serve_connection(std::move(socket), address, with, where_)
             : refuse_connection(std::move(socket), address, with, place ? crowded::everywhere : crowded::at_address);
    auto on_end = [&count, held = std::move(place)](std::exception_ptr failure) {
        --count;
        report(failure);
    };
    asio::co_spawn(executor, std::move(session), std::move(on_end));
}

}  // namespace pgtally::server
