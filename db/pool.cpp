#include <pgtally/db/detail/pool_impl.hpp>
#include <pgtally/db/pool.hpp>

#include <utility>

namespace pgtally::db {

lease::lease() noexcept = default;

lease::lease(lease&& other) noexcept
    : pool_(std::move(other.pool_))
    , connection_(std::move(other.connection_))
    , id_(other.id_)
    , discard_(std::exchange(other.discard_, false))
{
}

lease& lease::operator=(lease&& other) noexcept
{
    if (this != &other) {
        give_back();
        pool_ = std::move(other.pool_);
        connection_ = std::move(other.connection_);
        id_ = other.id_;
        discard_ = std::exchange(other.discard_, false);
    }
    return *this;
}

lease::~lease()
{
    give_back();
}

void lease::give_back() noexcept
{
    if (!connection_) return;
    auto const pool = std::move(pool_);
    pool->give_back(detail::member_id(id_), std::move(connection_), std::exchange(discard_, false));
}

pool::pool(asio::any_io_executor executor, pool_config settings)
    : impl_(std::make_shared<detail::pool_impl>(std::move(executor), std::move(settings)))
{
}

pool::~pool()
{
    stop();
}

asio::awaitable<lease> pool::take(impl_ptr impl, std::optional<time_point> until)
{
    return detail::pool_impl::acquire(std::move(impl), until);
}

asio::awaitable<result_set> pool::run(impl_ptr impl, std::string sql, params values, bool binary)
{
    auto const held = co_await take(std::move(impl), std::nullopt);
    auto result = co_await connection::run(held->core_, std::move(sql), std::move(values), binary);
    co_return result;
}

void pool::stop() noexcept
{
    impl_->stop();
}

pool_counters pool::counters() const
{
    return impl_->counters();
}
asio::any_io_executor pool::executor() const noexcept
{
    return impl_->executor();
}
std::string const& pool::description() const noexcept
{
    return impl_->description();
}

}  // namespace pgtally::db
