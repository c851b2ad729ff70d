#pragma once

#include <pgtally/db/event.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <memory_resource>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace pgtally::db::detail {

/// Events that arrived and were not fetched, within limits. Two batches take turns; payloads are in one arena per
/// batch, so that a notification needs no allocation of its own. A pure class.
///
/// If there are too many notifications, one `listening` replaces everything before it: the consumer loads again
/// and misses nothing. Of several `lost` in a row only the last one is kept.
class event_queue {
public:
    /// *Preconditions*: at least one channel.
    event_queue(std::vector<std::string> channels, std::size_t max_events, std::size_t max_bytes);

    /// Returns false if there was no room; the queue then holds one `listening`.
    bool push_notification(std::string_view channel, std::string_view payload, backend_pid sender);
    void push_listening();
    void push_lost(lost why);

    /// Returns all events; they are valid until the next call of take().
    [[nodiscard]] std::span<event const> take();

    void clear() noexcept { back_->clear(); }
    [[nodiscard]] bool empty() const noexcept { return back_->events.empty(); }

    /// The generation of the newest `listening`; 0: none.
    [[nodiscard]] std::uint64_t generation() const noexcept { return generation_; }
    [[nodiscard]] std::vector<std::string> const& channels() const noexcept { return channels_; }

private:
    struct batch {
        batch();
        void clear() noexcept;
        char* grow(std::size_t wanted);

        std::unique_ptr<char[]> first_block;  // large enough for most batches; kept
        // bytes of the first block; if greater than its size, there are more blocks
        std::size_t used = 0;
        std::pmr::monotonic_buffer_resource more{};
        std::vector<event> events{};
        std::size_t bytes = 0;
    };

    [[nodiscard]] std::string_view keep(std::string_view text);
    [[nodiscard]] std::string_view intern(std::string_view channel);
    [[nodiscard]] std::string_view find(std::string_view channel);

    std::vector<std::string> channels_;
    std::size_t recent_ = 0;  // index of the channel notified last
    std::size_t max_events_;
    std::size_t max_bytes_;
    std::uint64_t generation_ = 0;
    std::unique_ptr<batch> back_;   // being filled
    std::unique_ptr<batch> front_;  // returned by take()
};

}  // namespace pgtally::db::detail
