#include <pgtally/server/http/tcp_progress.hpp>

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace pgtally::server {

namespace {

// States of a connection, whose names are in <netinet/tcp.h>, which cannot be included beside <linux/tcp.h>.
constexpr int closed = 7, close_wait = 8;

}  // namespace

std::optional<tcp_progress> progress_of(int socket) noexcept
{
    tcp_info info{};
    socklen_t size = sizeof info;
    if (::getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return std::nullopt;
    bool const outstanding = info.tcpi_unacked != 0 || info.tcpi_notsent_bytes != 0;
    bool const ended = info.tcpi_state == close_wait || info.tcpi_state == closed;
    return tcp_progress{info.tcpi_bytes_acked, outstanding, std::chrono::milliseconds{info.tcpi_last_data_recv}, ended};
}

}  // namespace pgtally::server
