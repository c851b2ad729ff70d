#include <pgtally/db/detail/signal.hpp>
#include <pgtally/server/database_pool.hpp>

#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <deque>
#include <utility>
#include <vector>

namespace pgtally::server {

using clock = std::chrono::steady_clock;

struct database_pool::slot {
    explicit slot(asio::any_io_executor executor) : connection{std::move(executor)} {}
    db::connection connection;
    clock::time_point used = clock::now();
};

struct database_pool::state {
    struct waiter {
        explicit waiter(asio::any_io_executor executor) : turn{std::move(executor)} {}
        db::detail::signal turn;
        std::unique_ptr<slot> given;
    };

    state(asio::any_io_executor chosen_executor, config chosen)
        : executor{std::move(chosen_executor)}, settings{std::move(chosen)}
    {
    }

    void take_back(std::unique_ptr<slot> which)
    {
        which->used = clock::now();
        if (waiting.empty()) {
            idle.push_back(std::move(which));
            return;
        }
        auto const next = std::move(waiting.front());
        waiting.pop_front();
        next->given = std::move(which);
        next->turn.notify();
    }

    asio::any_io_executor executor;
    config settings;
    std::size_t made = 0;
    std::vector<std::unique_ptr<slot>> idle;
    std::deque<std::shared_ptr<waiter>> waiting;
};

database_pool::lease::lease() noexcept = default;
database_pool::lease::lease(lease&&) noexcept = default;

database_pool::lease::~lease()
{
    if (slot_) pool_->take_back(std::move(slot_));
}

db::connection& database_pool::lease::connection() noexcept
{
    return slot_->connection;
}

database_pool::database_pool(asio::any_io_executor executor, config chosen)
    : state_{std::make_shared<state>(std::move(executor), std::move(chosen))}
{
}

database_pool::~database_pool() = default;

asio::awaitable<database_pool::lease> database_pool::acquire()
{
    lease out;
    out.pool_ = state_;
    auto& all = *state_;
    if (!all.idle.empty()) {
        out.slot_ = std::move(all.idle.back());
        all.idle.pop_back();
    } else if (all.made < all.settings.connections) {
        out.slot_ = std::make_unique<slot>(all.executor);
        ++all.made;
    } else if (all.waiting.size() >= all.settings.max_waiting) {
        co_return out;
    } else {
        auto const mine = std::make_shared<state::waiter>(all.executor);
        all.waiting.push_back(mine);
        auto const until = clock::now() + all.settings.queue_timeout;
        co_await mine->turn.wait_until(until);
        if (!mine->given) {
            std::erase(all.waiting, mine);
            out.result_ = outcome::timed_out;
            co_return out;
        }
        out.slot_ = std::move(mine->given);
    }
    using namespace std::chrono_literals;
    bool const idle_for_long = clock::now() - out.slot_->used > 1s;
    co_await open(out.slot_->connection, idle_for_long);
    out.result_ = outcome::taken;
    co_return out;
}

asio::awaitable<void> database_pool::open(db::connection& connection, bool idle_for_long) const
{
    if (connection.is_open() && idle_for_long) {
        try {
            co_await connection.query("select 1");
        } catch (db::error const&) {
            // Whatever it was: a new one tells.
            connection.close();
        }
    }
    if (!connection.is_open()) {
        auto settings = state_->settings.database;
        co_await connection.connect(std::move(settings));
    }
}

}  // namespace pgtally::server
