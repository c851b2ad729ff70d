// A transaction that nobody waits for any more.

#include <pgtally/db/detail/connection_core.hpp>

#include <boost/asio/co_spawn.hpp>

#include <exception>
#include <utility>

namespace pgtally::db::detail {
namespace {

// Where operations have no timeout: the next one waits for this.
constexpr std::chrono::seconds rollback_timeout{5};

}  // namespace

void connection_core::leave_transaction(pointer self) noexcept
{
    if (!self->is_open() || self->leaving_) return;
    if (self->busy_) return self->shut(errc::closed);
    if (!self->in_transaction()) return;
    try {
        auto op = std::make_unique<operation>(*self, "rollback on", std::string("rollback"));
        auto const executor = self->executor_;
        self->leaving_ = true;
        self->left_.clear();
        auto rolling = roll_back(self, std::move(op));
        auto done = [self](std::exception_ptr) noexcept {
            self->leaving_ = false;
            self->left_.notify();
        };
        asio::co_spawn(executor, std::move(rolling), std::move(done));
    } catch (std::exception const&) {  // no memory
        self->leaving_ = false;
        self->shut(errc::closed);
    }
}

asio::awaitable<void> connection_core::roll_back(pointer self, std::unique_ptr<operation> op)
{
    auto const held = std::move(op);  // to its end, whatever that is
    self->arm(self->timeout_.count() > 0 ? self->timeout_ : rollback_timeout);
    auto const result = co_await self->run_script();
    if (result.state() != pq::status::failed) held->finish();
}

asio::awaitable<void> connection_core::settled(pointer self)
{
    if (self->settling_) {
        throw error(errc::busy,
                    "operation on " + self->description_ + " refused: another one waits for a rollback under way");
    }
    struct end {
        bool& waits;
        ~end() { waits = false; }
    } const at_end{self->settling_};
    self->settling_ = true;
    while (self->leaving_) co_await self->left_.wait();
}

}  // namespace pgtally::db::detail
