#include <pgtally/server/api/action_queue.hpp>

#include <algorithm>
#include <utility>

namespace pgtally::server {

bool action_queue::add(item one)
{
    if (waiting_.size() >= most_) return false;
    waiting_.push_back(std::move(one));
    return true;
}

void action_queue::put_back(std::vector<item> const& undone)
{
    for (auto const& each : undone) each->alone = true;
    waiting_.insert(waiting_.begin(), undone.begin(), undone.end());
}

bool action_queue::remove(item const& one)
{
    return std::erase(waiting_, one) != 0;
}

std::vector<action_queue::item> action_queue::take(std::size_t batch)
{
    std::vector<item> out;
    if (waiting_.empty()) return out;
    auto const first = waiting_.front();
    auto const joins = [&](item const& each) {
        return !first->alone && !each->alone && each->transport == first->transport;
    };
    auto at = std::next(waiting_.begin());
    while (at != waiting_.end() && out.size() + 1 < batch && joins(*at)) {
        out.push_back(*at);
        ++at;
    }
    out.insert(out.begin(), first);
    waiting_.erase(waiting_.begin(), at);
    return out;
}

bool action_queue::wants_connection(std::size_t busy, std::size_t coming) const noexcept
{
    if (busy == 0 && coming == 0) return !waiting_.empty();
    return waiting_.size() >= share_ * (coming + 1);
}

}  // namespace pgtally::server
