#include <pgtally/server/http/peer_progress.hpp>

#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>

namespace pgtally::server {

namespace {

// States of a connection, whose names are in <netinet/tcp.h>, which cannot be included beside <linux/tcp.h>.
constexpr int closed = 7, close_wait = 8;

}  // namespace

std::optional<peer_progress> tcp_progress_of(int socket) noexcept
{
    tcp_info info{};
    socklen_t size = sizeof info;
    if (::getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return std::nullopt;
    bool const outstanding = info.tcpi_unacked != 0 || info.tcpi_notsent_bytes != 0;
    bool const ended = info.tcpi_state == close_wait || info.tcpi_state == closed;
    return peer_progress{info.tcpi_bytes_acked, outstanding, std::chrono::milliseconds{info.tcpi_last_data_recv},
                         ended};
}

peer_progress unix_progress_of(int socket, std::uint64_t written) noexcept
{
    // The kernel counts its own overhead, too: the number says whether there is something, and whether it changes.
    int queued = 0;
    if (::ioctl(socket, SIOCOUTQ, &queued) != 0 || queued < 0) queued = 0;
    pollfd events{.fd = socket, .events = POLLRDHUP, .revents = 0};
    bool const ended = ::poll(&events, 1, 0) > 0 && (events.revents & (POLLRDHUP | POLLHUP)) != 0;
    auto const untaken = std::min(written, static_cast<std::uint64_t>(queued));
    return {.bytes_taken = written - untaken, .outstanding = queued > 0, .silent = {}, .ended = ended};
}

}  // namespace pgtally::server
