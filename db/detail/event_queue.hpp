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

/// What arrived and has not been fetched: bounded, two batches in turn, payloads in one arena per
/// batch, so that a notification costs no allocation of its own. Pure.
///
/// Too many notifications are replaced, with everything before them, by one `listening`: the
/// consumer loads again, and nothing that it needs is missing. Of several `lost` in a row the last
/// one stays.
class event_queue {
public:
    /// At least one channel.
    event_queue(std::vector<std::string> channels, std::size_t max_events, std::size_t max_bytes);

    /// False: there was no room; the queue holds one `listening` now.
    bool push_notification(std::string_view channel, std::string_view payload, backend_pid sender);
    void push_listening();
    void push_lost(lost why);

    /// All of it; valid until the next call of take().
    [[nodiscard]] std::span<event const> take();

    void clear() noexcept { back_->clear(); }
    [[nodiscard]] bool empty() const noexcept { return back_->events.empty(); }

    /// Of the newest `listening`; 0: there was none.
    [[nodiscard]] std::uint64_t generation() const noexcept { return generation_; }
    [[nodiscard]] std::vector<std::string> const& channels() const noexcept { return channels_; }

private:
    struct batch {
        batch();
        void clear() noexcept;
        char* grow(std::size_t wanted);

        std::unique_ptr<char[]> first_block;  // for most batches all; kept
        std::size_t used = 0;                 // of it; beyond its size: there is more
        std::pmr::monotonic_buffer_resource more{};
        std::vector<event> events{};
        std::size_t bytes = 0;
    };

    [[nodiscard]] std::string_view keep(std::string_view text);
    [[nodiscard]] std::string_view intern(std::string_view channel);
    [[nodiscard]] std::string_view find(std::string_view channel);

    std::vector<std::string> channels_;
    std::size_t recent_ = 0;  // of these, the last that was notified
    std::size_t max_events_;
    std::size_t max_bytes_;
    std::uint64_t generation_ = 0;
    std::unique_ptr<batch> back_;   // being filled
    std::unique_ptr<batch> front_;  // handed out
};

}  // namespace pgtally::db::detail
