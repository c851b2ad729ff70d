#pragma once

// Decides when a request that waits for a change is answered. It waits for nothing and reads no clock.
//
// Model: a client has everything up to a position, `since`. The request waits while the tally proves that nothing it
// asks for changed after that. It is answered when something did; when the tally cannot tell, because the position is
// one of another epoch, or one that it does not remember; and when the tally's state changes, because an answer has the
// state. A position ahead of the tally is answered at once, except if another server can have named it (cache/stream.hpp):
// then it is waited for, as a subscription does.
//
// When the time is over, a live tally has proven that nothing changed. Another one proves nothing, so its client gets an
// answer, which says so.

#include <pgtally/cache/subscription.hpp>
#include <pgtally/cache/tally.hpp>

#include <chrono>
#include <cstdint>
#include <optional>

namespace pgtally::server {

class long_poll {
public:
    using time_point = std::chrono::steady_clock::time_point;

    enum class verdict {
        answer,     // with what there is now
        unchanged,  // the time is over, and nothing changed
        wait,       // judge again at `due`, or when the tally changed or reached `awaited`
    };

    long_poll(cache::since_point since, std::chrono::seconds longest, time_point now);

    // `changed_at`: a revision since which all that is asked for is unchanged. `over`: the client must not wait longer.
    verdict judge(cache::tally const& of, std::uint64_t changed_at, time_point now, bool over = false);

    time_point due() const noexcept { return due_; }

    // The revision that the tally has yet to reach, if the client is ahead of it.
    std::optional<std::uint64_t> awaited() const noexcept { return awaited_; }

private:
    cache::since_point const since_;
    time_point const began_, until_;
    time_point due_;
    std::optional<std::uint64_t> awaited_{};
    std::optional<std::uint64_t> state_changes_{};  // of the tally, when the request came
};

}  // namespace pgtally::server
