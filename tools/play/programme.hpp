#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace pgtally::play {

enum class step {
    speech,  ///< post the next speech
    act,     ///< a like, a retweet, or taking one back
    end,
};

enum class until {
    play_ends,  ///< after the last speech and the acts that follow it
    acts,       ///< after a number of acts; the play may end sooner, and the acts continue
    stopped,    ///< only by performance::stop()
};

/// The order of steps: a speech, then a number of acts, then the next speech. A pure class.
class programme {
public:
    programme(std::size_t speeches, std::size_t per_speech, until end, std::uint64_t acts)
        : speeches_(speeches), per_speech_(per_speech), end_(end), acts_(acts)
    {
    }

    [[nodiscard]] step next()
    {
        if (end_ == until::acts && done_ == acts_) return step::end;
        if (pending_ == 0 && speeches_ > 0) {
            --speeches_;
            pending_ = per_speech_;
            return step::speech;
        }
        if (pending_ == 0 && end_ == until::play_ends) return step::end;
        if (pending_ > 0) --pending_;
        ++done_;
        return step::act;
    }

private:
    std::size_t speeches_;  // not posted yet
    std::size_t per_speech_;
    std::size_t pending_ = 0;  // acts before the next speech
    until end_;
    std::uint64_t acts_;
    std::uint64_t done_ = 0;
};

/// When steps are due, at a fixed rate. Catches up when late, but not with steps older than `patience`. A pure
/// class.
class pace {
public:
    using clock = std::chrono::steady_clock;

    /// *Preconditions*: rate > 0, per second.
    explicit pace(double rate, clock::duration patience = std::chrono::seconds{1})
        : interval_(std::chrono::duration_cast<clock::duration>(std::chrono::duration<double>(1 / rate)))
        , patience_(patience)
    {
    }

    /// When the next step is due; the first one is due at once.
    [[nodiscard]] clock::time_point next(clock::time_point now)
    {
        due_ = begun_ ? std::max(due_ + interval_, now - patience_) : now;
        begun_ = true;
        return due_;
    }

private:
    clock::duration interval_;
    clock::duration patience_;
    clock::time_point due_{};
    bool begun_ = false;
};

}  // namespace pgtally::play
