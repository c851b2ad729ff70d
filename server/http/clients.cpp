#include <pgtally/server/http/clients.hpp>

#include <algorithm>

namespace pgtally::server {

std::size_t clients::count(protocol of) const noexcept
{
    auto const speaks = [of](client const* which) { return which->speaks() == of; };
    return static_cast<std::size_t>(std::count_if(all_.begin(), all_.end(), speaks));
}

void clients::check_liveness(std::chrono::steady_clock::time_point now)
{
    // A session ends in its own coroutine, never inside this call.
    for (auto* const which : all_) which->check_liveness(now);
}

void clients::waits(client& which, bool yes)
{
    if (yes && all_.contains(&which)) waiting_.insert(&which);
    if (!yes) waiting_.erase(&which);
}

void clients::on_replicas_changed()
{
    // A client unregisters itself here once it has what it waited for.
    auto const now = waiting_;
    for (auto* const which : now) which->on_replicas_changed();
}

std::vector<client*> clients::those_of(protocol of) const
{
    std::vector<client*> out;
    for (auto* const which : all_) {
        if (which->speaks() == of) out.push_back(which);
    }
    return out;
}

}  // namespace pgtally::server
