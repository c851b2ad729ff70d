#include <pgtally/db/detail/event_queue.hpp>

#include <algorithm>
#include <utility>

namespace pgtally::db::detail {
namespace {

constexpr std::size_t first_block_bytes = 64 * 1024;
constexpr std::size_t kept_events = 4096;  // capacity beyond this is freed after a peak

}  // namespace

event_queue::batch::batch() : first_block(std::make_unique<char[]>(first_block_bytes)) {}

void event_queue::batch::clear() noexcept
{
    events.clear();
    if (events.capacity() > kept_events) std::vector<event>().swap(events);
    if (std::exchange(used, 0) > first_block_bytes) more.release();
    bytes = 0;
}

// Called when the first block is full. Later texts are not put into it, even if they would fit.
char* event_queue::batch::grow(std::size_t wanted)
{
    used = std::max(used, first_block_bytes + 1);
    return static_cast<char*>(more.allocate(std::max(wanted, std::size_t{1}), 1));
}

event_queue::event_queue(std::vector<std::string> channels, std::size_t max_events, std::size_t max_bytes)
    : channels_(std::move(channels))
    , max_events_(std::max(max_events, std::size_t{1}))
    , max_bytes_(max_bytes)
    , back_(std::make_unique<batch>())
    , front_(std::make_unique<batch>())
{
}

inline std::string_view event_queue::keep(std::string_view text)
{
    auto& to = *back_;
    auto const fits = to.used <= first_block_bytes && text.size() <= first_block_bytes - to.used;
    auto* const bytes = fits ? to.first_block.get() + to.used : to.grow(text.size());
    to.used += text.size();
    std::copy(text.begin(), text.end(), bytes);
    return {bytes, text.size()};
}

// Most notifications have the same channel as the one before.
inline std::string_view event_queue::intern(std::string_view channel)
{
    std::string_view const recent = channels_[recent_];
    return recent == channel ? recent : find(channel);
}

// Finds one of our own channels, whose text lives as long as this object. Other channels occur only if a
// statement sent LISTEN itself.
std::string_view event_queue::find(std::string_view channel)
{
    auto const found = std::find(channels_.begin(), channels_.end(), channel);
    if (found == channels_.end()) return keep(channel);
    recent_ = static_cast<std::size_t>(found - channels_.begin());
    return *found;
}

bool event_queue::push_notification(std::string_view channel, std::string_view payload, backend_pid sender)
{
    if (back_->events.size() >= max_events_ || payload.size() > max_bytes_ - back_->bytes) {
        back_->clear();
        push_listening();
        return false;
    }
    back_->bytes += payload.size();
    auto const kept_channel = intern(channel);
    auto const kept_payload = keep(payload);
    back_->events.emplace_back(notification{kept_channel, kept_payload, sender});
    return true;
}

void event_queue::push_listening()
{
    if (back_->events.size() >= max_events_) back_->clear();  // `listening` makes all earlier events unnecessary
    back_->events.emplace_back(listening{++generation_});
}

void event_queue::push_lost(lost why)
{
    auto& events = back_->events;
    if (events.size() >= max_events_) back_->clear();  // a later `listening` makes all earlier events unnecessary
    if (!events.empty() && std::holds_alternative<lost>(events.back())) events.pop_back();
    events.emplace_back(std::move(why));
}

std::span<event const> event_queue::take()
{
    std::swap(back_, front_);
    back_->clear();
    return front_->events;
}

}  // namespace pgtally::db::detail
