#include <pgtally/db/detail/wal_stream_impl.hpp>
#include <pgtally/db/wal_stream.hpp>

#include <utility>

namespace pgtally::db {

wal_stream::wal_stream(asio::any_io_executor executor, config settings, wal_stream_options options,
                       wal_stream_limits limits)
    : impl_(std::make_shared<detail::wal_stream_impl>(std::move(executor), std::move(settings), std::move(options),
                                                      limits))
{
}

wal_stream::~wal_stream()
{
    stop();
}

asio::awaitable<void> wal_stream::run()
{
    return detail::wal_stream_impl::run(impl_);
}
asio::awaitable<std::span<wal::event const>> wal_stream::next()
{
    return detail::wal_stream_impl::next(impl_);
}
void wal_stream::confirm(lsn end)
{
    impl_->confirm(end);
}
void wal_stream::reconnect(std::string reason)
{
    impl_->reconnect(std::move(reason));
}
void wal_stream::retry_now() noexcept
{
    impl_->retry_now();
}
void wal_stream::stop() noexcept
{
    impl_->stop();
}

bool wal_stream::is_streaming() const noexcept
{
    return impl_->is_streaming();
}
db::backend_pid wal_stream::backend_pid() const noexcept
{
    return db::backend_pid(impl_->core().conn().backend_pid());
}
wal_stream_counters const& wal_stream::counters() const noexcept
{
    return impl_->counters();
}
std::string const& wal_stream::description() const noexcept
{
    return impl_->core().description();
}
asio::any_io_executor wal_stream::executor() const noexcept
{
    return impl_->core().executor();
}

}  // namespace pgtally::db
