#include <pgtally/db/wal_stream.hpp>

#include <utility>

namespace pgtally::db {

class wal_stream::impl {
public:
    explicit impl(asio::any_io_executor executor) : executor_(std::move(executor)) {}
    asio::any_io_executor executor_;
    wal_stream_counters counters_{};
    std::string description_{};
};

wal_stream::wal_stream(asio::any_io_executor executor, config, wal_stream_options, wal_stream_limits)
    : impl_(std::make_shared<impl>(std::move(executor)))
{
}
wal_stream::~wal_stream() = default;
asio::awaitable<void> wal_stream::run()
{
    co_return;
}
asio::awaitable<std::span<wal::event const>> wal_stream::next()
{
    co_return std::span<wal::event const>();
}
void wal_stream::confirm(lsn) {}
void wal_stream::reconnect(std::string) {}
void wal_stream::stop() noexcept {}
bool wal_stream::is_streaming() const noexcept
{
    return false;
}
db::backend_pid wal_stream::backend_pid() const noexcept
{
    return {};
}
wal_stream_counters const& wal_stream::counters() const noexcept
{
    return impl_->counters_;
}
std::string const& wal_stream::description() const noexcept
{
    return impl_->description_;
}
asio::any_io_executor wal_stream::executor() const noexcept
{
    return impl_->executor_;
}

}  // namespace pgtally::db
