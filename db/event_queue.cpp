#include <pgtally/db/detail/event_queue.hpp>

#include <algorithm>
#include <utility>

namespace pgtally::db::detail {
namespace {

constexpr std::size_t first_block_bytes = 64 * 1024;
constexpr std::size_t kept_events = 4096;  // what a peak took beyond this is given back

}  // namespace

event_queue::batch::batch()
    : first_block(std::make_unique<std::byte[]>(first_block_bytes)), arena(first_block.get(), first_block_bytes)
{
}

void event_queue::batch::clear() noexcept
{
    events.clear();
    if (events.capacity() > kept_events) std::vector<event>().swap(events);
    arena.release();
    bytes = 0;
}

event_queue::event_queue(std::vector<std::string> channels, std::size_t max_events, std::size_t max_bytes)
    : channels_(std::move(channels))
    , max_events_(std::max(max_events, std::size_t{1}))
    , max_bytes_(max_bytes)
    , back_(std::make_unique<batch>())
    , front_(std::make_unique<batch>())
{
}

bool event_queue::push_notification(std::string_view channel, std::string_view payload, backend_pid sender)
{
    if (back_->events.size() >= max_events_ || payload.size() > max_bytes_ - back_->bytes) {
        back_->clear();
        push_listening();
        return false;
    }
    back_->bytes += payload.size();
    notification arrived;
    arrived.channel = intern(channel);
    arrived.payload = keep(payload);
    arrived.sender = sender;
    back_->events.emplace_back(arrived);
    return true;
}

void event_queue::push_listening()
{
    if (back_->events.size() >= max_events_) back_->clear();  // it makes all of them moot
    back_->events.emplace_back(listening{++generation_});
}

void event_queue::push_lost(lost why)
{
    auto& events = back_->events;
    if (events.size() >= max_events_) back_->clear();  // `listening` will come after it
    if (!events.empty() && std::holds_alternative<lost>(events.back())) events.pop_back();
    events.emplace_back(std::move(why));
}

std::span<event const> event_queue::take()
{
    std::swap(back_, front_);
    back_->clear();
    return front_->events;
}

std::string_view event_queue::keep(std::string_view text)
{
    if (text.empty()) return {};
    auto* const bytes = static_cast<char*>(back_->arena.allocate(text.size(), 1));
    std::copy(text.begin(), text.end(), bytes);
    return {bytes, text.size()};
}

// A channel is nearly always one of ours, which lives as long as this.
std::string_view event_queue::intern(std::string_view channel)
{
    auto const found = std::find(channels_.begin(), channels_.end(), channel);
    return found != channels_.end() ? std::string_view(*found) : keep(channel);
}

}  // namespace pgtally::db::detail
