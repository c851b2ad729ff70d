#include <pgtally/cache/transport_watch.hpp>

#include <pgtally/cache/heartbeat_diagnosis.hpp>
#include <pgtally/cache/uuid.hpp>

#include <boost/assert.hpp>

#include <algorithm>
#include <utility>

namespace pgtally {

transport_watch::transport_watch(std::string transport, clock::duration interval)
    : transport_{std::move(transport)}, interval_{interval}
{
    BOOST_ASSERT(interval > clock::duration::zero());
}

void transport_watch::opened(time_point now)
{
    open_ = true;
    ++openings_;
    opened_at_ = last_back_ = due_ = now;
    taken_.reset();
    any_back_ = false;
    under_way_.clear();
    trouble_ = {};
}

bool transport_watch::lost(cache::reason const& why, bool permanent)
{
    open_ = false;
    under_way_.clear();
    trouble_ = why;
    // After a restart the transport reports the reason that `restart` received: the deafness continues.
    trouble_permanent_ = permanent || (deaf_for_good_ && why == deaf_reason_);
    return trouble_permanent_;
}

transport_watch::time_point transport_watch::next_heartbeat() const noexcept
{
    return open_ ? due_ : time_point::max();
}

transport_watch::heartbeat transport_watch::send_heartbeat(time_point now)
{
    BOOST_ASSERT(open_);
    due_ = now + interval_;
    under_way_.push_back({cache::make_uuid(), now});
    if (under_way_.size() > missed_heartbeats) under_way_.pop_front();
    return under_way_.back();
}

void transport_watch::taken(heartbeat const& one, bool pooled) noexcept
{
    pooled_ = pooled;
    // The answer may belong to a heartbeat of an earlier opening.
    if (open_ && one.sent >= opened_at_) taken_ = one.sent;
}

std::optional<transport_watch::clock::duration> transport_watch::came_back(std::string_view id, time_point now)
{
    auto const at = std::ranges::find(under_way_, id, &heartbeat::id);
    if (!open_ || at == under_way_.end()) return std::nullopt;
    auto const round_trip = now - at->sent;
    under_way_.erase(at);
    last_back_ = now;
    any_back_ = true;
    deaf_reason_ = {};
    deaf_for_good_ = false;
    return round_trip;
}

transport_watch::time_point transport_watch::deaf_at() const noexcept
{
    return open_ ? last_back_ + interval_ * missed_heartbeats : time_point::max();
}

std::optional<cache::reason> transport_watch::give_up_if_deaf(time_point now, cache::reason const& why_none_sent)
{
    if (now < deaf_at()) return std::nullopt;
    open_ = false;
    under_way_.clear();
    heartbeat_signs signs;
    signs.sent = taken_.has_value();
    signs.pooled = pooled_;
    signs.trouble = why_none_sent;
    signs.transport = transport_;
    deaf_reason_ = why_deaf(signs);
    deaf_for_good_ = signs.sent && !any_back_;
    return deaf_reason_;
}

}  // namespace pgtally
