#include <pgtally/db/connection.hpp>
#include <pgtally/db/detail/connection_core.hpp>

namespace pgtally::db {

using detail::connection_core;

connection::connection(asio::any_io_executor executor) : core_(std::make_shared<connection_core>(std::move(executor)))
{
}

connection::connection(connection&& other) noexcept = default;

connection& connection::operator=(connection&& other) noexcept
{
    if (this != &other) {
        close();
        core_ = std::move(other.core_);
    }
    return *this;
}

connection::~connection()
{
    close();
}

asio::awaitable<void> connection::connect(config settings)
{
    return connection_core::connect(core_, std::move(settings));
}

asio::awaitable<result_set> connection::run(core_ptr core, std::string sql, params values, bool binary)
{
    return connection_core::query(std::move(core), std::move(sql), std::move(values), binary);
}

asio::awaitable<void> connection::script(std::string sql)
{
    return connection_core::script(core_, std::move(sql));
}

void connection::cancel() noexcept
{
    core_->cancel();
}
void connection::leave_transaction() noexcept
{
    core_->leave_transaction();
}

void connection::set_timeout(std::chrono::milliseconds timeout) noexcept
{
    core_->set_timeout(timeout);
}

asio::awaitable<void> connection::settled()
{
    return connection_core::settled(core_);
}

void connection::close() noexcept
{
    if (core_) core_->shut(errc::closed);
}

bool connection::is_open() const noexcept
{
    return core_->is_open();
}
bool connection::is_busy() const noexcept
{
    return core_->is_busy();
}
bool connection::is_idle() const noexcept
{
    return core_->is_idle();
}
int connection::server_version() const noexcept
{
    return core_->conn().server_version();
}
db::backend_pid connection::backend_pid() const noexcept
{
    return db::backend_pid(core_->conn().backend_pid());
}
bool connection::in_transaction() const noexcept
{
    return core_->in_transaction();
}
std::string const& connection::description() const noexcept
{
    return core_->description();
}
asio::any_io_executor connection::executor() const noexcept
{
    return core_->executor();
}

}  // namespace pgtally::db
