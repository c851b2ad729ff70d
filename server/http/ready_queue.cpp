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

void ready_queue::remove(ready_session& which) noexcept
{
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
