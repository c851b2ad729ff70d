#include <pgtally/server/http/listening.hpp>

#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/system/system_error.hpp>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <string>

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace pgtally::server {

namespace {

using local = asio::local::stream_protocol;

tcp::endpoint resolve(asio::io_context& io, endpoint const& where)
{
    boost::system::error_code failure;
    auto const numeric = asio::ip::make_address(where.host, failure);
    if (!failure) return {numeric, where.port};
    tcp::resolver names{io};
    auto const flags = tcp::resolver::passive | tcp::resolver::numeric_service;
    return names.resolve(where.host, std::to_string(where.port), flags).begin()->endpoint();
}

// What a bound socket of TCP is called.
void name(listening& which)
{
    auto const at = which.socket.local_endpoint();
    tcp::endpoint numeric;
    numeric.resize(at.size());
    std::memcpy(numeric.data(), at.data(), at.size());
    which.loopback = numeric.address().is_loopback();
    which.address = {.host = numeric.address().to_string(), .port = numeric.port()};
}

void begin(listening& which)
{
    which.socket.listen(4'096);
    which.socket.non_blocking(true);
}

listening listen_tcp(asio::io_context& io, endpoint const& where, listening_options const& how)
{
    using reuse_port = asio::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>;
    auto const at = resolve(io, where);
    listening out{stream_acceptor{io}, where};
    out.socket.open(at.protocol());
    out.socket.set_option(stream_acceptor::reuse_address{true});
    if (how.reuse_port) out.socket.set_option(reuse_port{true});
    if (at.address().is_v6()) out.socket.set_option(asio::ip::v6_only{true});
    out.socket.bind(at);
    begin(out);
    name(out);
    return out;
}

// A server that was killed leaves its socket's file: nobody listens there any more.
bool is_left_behind(asio::io_context& io, std::string const& path)
{
    struct stat file{};
    if (::lstat(path.c_str(), &file) != 0 || !S_ISSOCK(file.st_mode)) return false;
    local::socket probe{io};
    boost::system::error_code failure;
    probe.connect(local::endpoint{path}, failure);
    return failure == boost::system::errc::connection_refused;
}

listening listen_unix(asio::io_context& io, endpoint const& where, listening_options const& how)
{
    listening out{stream_acceptor{io}, where};
    out.socket.open(local{});
    if (is_left_behind(io, where.path)) ::unlink(where.path.c_str());
    // Nobody may connect before the file has its rights.
    auto const before = ::umask(0777);
    boost::system::error_code failure;
    out.socket.bind(local::endpoint{where.path}, failure);
    ::umask(before);
    if (failure) throw boost::system::system_error{failure};
    out.owned = true;
    if (::chmod(where.path.c_str(), how.unix_mode) != 0)
        throw boost::system::system_error{errno, boost::system::generic_category()};
    begin(out);
    return out;
}

}  // namespace

listening listen_at(asio::io_context& io, endpoint const& where, listening_options const& how)
{
    try {
        return where.is_unix() ? listen_unix(io, where, how) : listen_tcp(io, where, how);
    } catch (boost::system::system_error const& e) {
        // what() of a system_error would add a place in Asio's code.
        throw std::runtime_error{"cannot listen at " + to_string(where) + ": " + e.code().message()};
    }
}

listening listen_by(asio::io_context& io, int descriptor)
{
    auto const about = "the socket handed over as descriptor " + std::to_string(descriptor);
    int accepts = 0, type = 0;
    socklen_t size = sizeof accepts;
    bool const listens = ::getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &accepts, &size) == 0 && accepts != 0;
    bool const streams = ::getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
    if (!listens || !streams) throw std::runtime_error{about + " is none that listens for streams"};
    sockaddr_storage at{};
    size = sizeof at;
    if (::getsockname(descriptor, reinterpret_cast<sockaddr*>(&at), &size) != 0)
        throw std::runtime_error{about + ": " + std::strerror(errno)};
    bool const ip = at.ss_family == AF_INET || at.ss_family == AF_INET6;
    if (!ip && at.ss_family != AF_UNIX) throw std::runtime_error{about + " is neither of TCP nor a Unix socket"};

    listening out{stream_acceptor{io}, {}};
    out.socket.assign(stream_protocol{at.ss_family, ip ? IPPROTO_TCP : 0}, descriptor);
    out.socket.non_blocking(true);
    if (ip) name(out);
    else out.address.path = reinterpret_cast<sockaddr_un const&>(at).sun_path;
    if (!ip && out.address.path.empty()) out.address.path = "handed over";
    return out;
}

void remove_file(listening const& of) noexcept
{
    if (of.owned) ::unlink(of.address.path.c_str());
}

}  // namespace pgtally::server
