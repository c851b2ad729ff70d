#include <pgtally/server/http/ready_queue.hpp>

#include <boost/asio/post.hpp>

#include <algorithm>
#include <utility>

namespace pgtally::server {

void ready_queue::add(ready_session& which)
{
    if (std::exchange(which.queued_, true)) return;
    waiting_.push_back(&which);
    if (!std::exchange(running_, true)) asio::post(io_, [this] { run(); });
}

void ready_queue::wake_at(ready_session& which, clock::time_point when)
{
    if (which.due_ == when) return;
    forget(which);
    if (when == clock::time_point::max()) return;
    which.due_ = when;
    due_.emplace(when, &which);
    if (due_.begin()->second == &which) wait();
}

void ready_queue::forget(ready_session& which) noexcept
{
    auto const when = std::exchange(which.due_, clock::time_point::max());
    if (when == clock::time_point::max()) return;
    due_.erase({when, &which});
    // A loop with nothing to wait for ends.
    if (due_.empty()) timer_.cancel();
}

// A timer that rings for a session that is gone wakes those that are due, maybe none.
void ready_queue::wait()
{
    if (due_.empty()) return;
    timer_.expires_at(due_.begin()->first);
    timer_.async_wait([this](boost::system::error_code stopped) {
        if (!stopped) wake();
    });
}

void ready_queue::wake()
{
    auto const now = clock::now();
    while (!due_.empty() && due_.begin()->first <= now) {
        auto& first = *due_.begin()->second;
        due_.erase(due_.begin());
        first.due_ = clock::time_point::max();
        add(first);
    }
    wait();
}

void ready_queue::remove(ready_session& which) noexcept
{
    forget(which);
    if (!std::exchange(which.queued_, false)) return;
    std::replace(waiting_.begin() + static_cast<std::ptrdiff_t>(first_), waiting_.end(), &which,
                 static_cast<ready_session*>(nullptr));
}

void ready_queue::run()
{
    for (auto left = most_; left > 0 && first_ < waiting_.size(); --left) {
        auto* const next = waiting_[first_++];
        if (next == nullptr) continue;
        next->queued_ = false;
        next->on_ready();
    }
    waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(first_));
    first_ = 0;
    running_ = !waiting_.empty();
    if (running_) asio::post(io_, [this] { run(); });
}

}  // namespace pgtally::server
