#include <pgtally/server/base/supervisor.hpp>
#include <pgtally/server/base/whole_number.hpp>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <cstdint>
#include <cstring>

namespace pgtally::server {

namespace {

std::optional<std::chrono::microseconds> watchdog_of(supervisor::environment const& getenv, long process)
{
    constexpr std::int64_t a_day = 86'400'000'000;
    auto const interval = whole_number<std::int64_t>(getenv("WATCHDOG_USEC").value_or(""), 1, a_day);
    auto const meant = getenv("WATCHDOG_PID");
    if (!interval || (meant && *meant != std::to_string(process))) return std::nullopt;
    return std::chrono::microseconds{*interval / 2};
}

}  // namespace

supervisor::supervisor(environment const& getenv, long process)
    : address_{getenv("NOTIFY_SOCKET").value_or("")}, watchdog_{watchdog_of(getenv, process)}
{
    bool const named = address_.size() > 1 && (address_.front() == '/' || address_.front() == '@');
    if (named && address_.size() < sizeof(sockaddr_un::sun_path))
        socket_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (socket_ < 0) watchdog_.reset();
    else if (address_.front() == '@') address_.front() = '\0';
}

supervisor::~supervisor()
{
    if (socket_ >= 0) ::close(socket_);
}

void supervisor::status(std::string_view line)
{
    if (line == status_) return;
    status_ = line;
    send("STATUS=" + status_);
}

void supervisor::send(std::string const& text) noexcept
{
    if (socket_ < 0) return;
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    std::memcpy(to.sun_path, address_.data(), address_.size());
    auto const size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address_.size());
    static_cast<void>(
        ::sendto(socket_, text.data(), text.size(), MSG_NOSIGNAL, reinterpret_cast<sockaddr*>(&to), size));
}

}  // namespace pgtally::server
