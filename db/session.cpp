#include <pgtally/db/detail/session_core.hpp>
#include <pgtally/db/session.hpp>

namespace pgtally::db {

using detail::session_core;

session::session(asio::any_io_executor executor, session_config settings)
    : core_(std::make_shared<session_core>(std::move(executor), std::move(settings)))
{
}

session::~session()
{
    stop();
}

asio::awaitable<void> session::run()
{
    return session_core::run(core_);
}

session::request_ptr session::ask(std::string&& sql, params&& values, bool binary)
{
    return std::make_shared<detail::request>(std::move(sql), std::move(values), binary);
}

asio::awaitable<result_set> session::call(core_ptr core, request_ptr asked, std::optional<time_point> until)
{
    return session_core::call(std::move(core), std::move(asked), until);
}

void session::stop() noexcept
{
    core_->stop();
}

bool session::is_open() const noexcept
{
    return core_->core().is_open();
}
db::backend_pid session::backend_pid() const noexcept
{
    return db::backend_pid(core_->core().conn().backend_pid());
}
std::size_t session::in_flight() const noexcept
{
    return core_->queue().in_flight();
}
std::size_t session::queued() const noexcept
{
    return core_->queue().waiting();
}
session_counters const& session::stats() const noexcept
{
    return core_->counters();
}
std::string const& session::description() const noexcept
{
    return core_->core().description();
}
asio::any_io_executor session::executor() const noexcept
{
    return core_->core().executor();
}

}  // namespace pgtally::db
