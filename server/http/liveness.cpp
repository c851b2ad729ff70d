#include <pgtally/server/http/liveness.hpp>

#include <utility>

namespace pgtally::server {

liveness::action liveness::check(time_point now, peer_progress const& end, bool writing) noexcept
{
    if (closing_since_ && now - *closing_since_ > bounds_.close_timeout) return action::cut_unclosed;
    bool const taken = end.bytes_taken != std::exchange(taken_, end.bytes_taken);
    if (taken || !(writing || end.outstanding)) progress_at_ = now;
    if (now - progress_at_ > bounds_.stall_timeout) {
        // If no message is unfinished, the rest is in the kernel's buffer, which may have room for the reason.
        return writing ? action::cut_stalled : action::close;
    }
    if (writing) return action::none;
    if (end.silent < bounds_.ping_after) {
        pinged_ = false;
        return action::none;
    }
    if (!std::exchange(pinged_, true)) return action::ping;
    return end.silent >= 2 * bounds_.ping_after ? action::cut_silent : action::none;
}

}  // namespace pgtally::server
