#pragma once

// Decides whether the other end of a long-lived connection still takes bytes and still answers.
//
// Model: a session calls `check` every `limits::stall_check` and does what it returns. A client makes progress if the
// kernel reports that it took bytes, or if there is nothing to take. A client that is silent is pinged, and any byte
// from it is an answer.
//
// This class knows no socket and no clock.

#include <pgtally/server/base/limits.hpp>
#include <pgtally/server/http/peer_progress.hpp>

#include <chrono>
#include <cstdint>
#include <optional>

namespace pgtally::server {

class liveness {
public:
    using time_point = std::chrono::steady_clock::time_point;

    // What the session must do.
    enum class action {
        none,          // the client is alive
        ping,          // the client is silent: ping it
        close,         // the client takes nothing, and no message is unfinished: close it with a reason
        cut_stalled,   // the client takes nothing of an unfinished message: cut it
        cut_silent,    // the client did not answer a ping: cut it
        cut_unclosed,  // the client did not answer a close in time: cut it
    };

    liveness(limits const& bounds, time_point now) noexcept : bounds_{bounds}, progress_at_{now} {}

    // To be called when a close is sent. Later calls do nothing.
    void closing(time_point now) noexcept
    {
        if (!closing_since_) closing_since_ = now;
    }

    // `writing`: a message is unfinished.
    action check(time_point now, peer_progress const& end, bool writing) noexcept;

private:
    limits const& bounds_;
    time_point progress_at_;  // when the client last took a byte, or had none to take
    std::optional<time_point> closing_since_;
    std::uint64_t taken_ = 0;
    bool pinged_ = false;
};

}  // namespace pgtally::server
