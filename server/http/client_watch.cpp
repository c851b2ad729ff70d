#include <pgtally/server/http/client_watch.hpp>

#include <utility>

#include <sys/socket.h>

namespace pgtally::server {

// The handler runs after `end`, too, and then uses nothing.
void client_watch::begin(std::function<void()> gone)
{
    if (gone_) *gone_ = nullptr;
    gone_ = std::make_shared<std::function<void()>>(std::move(gone));
    auto const on_readable = [this, watched = gone_](boost::system::error_code failure) {
        if (!*watched) return;
        char byte = 0;
        auto const handle = stream_.socket().native_handle();
        auto const size = failure ? 0 : ::recv(handle, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
        if (size <= 0) (*watched)();
    };
    stream_.socket().async_wait(stream_socket::wait_read, on_readable);
}

void client_watch::look(client_stream::clock::time_point now)
{
    if (gone_ && *gone_ && stream_.progress(now).ended) (*gone_)();
}

void client_watch::end()
{
    if (!gone_) return;
    *gone_ = nullptr;
    gone_.reset();
    stream_.cancel();
}

}  // namespace pgtally::server
