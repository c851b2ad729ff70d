#pragma once

#include "zipf.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <random>
#include <vector>

namespace pgtally::play {

enum class action {
    rt,      ///< a retweet
    fav,     ///< a like
    de_rt,   ///< takes a retweet back
    de_fav,  ///< takes a like back
};

/// Its label in tweet.action_t.
[[nodiscard]] char const* name_of(action what) noexcept;

struct act {
    std::size_t message = 0;  ///< the index of the message among those posted so far
    action what = action::fav;

    bool operator==(act const&) const = default;
};

struct audience_habits {
    double exponent = 1.07;   ///< exponent of Zipf's law; >= 0
    double likes = 0.7;       ///< the share of acts that are about likes; the others are about retweets; 0 to 1
    double take_backs = 0.1;  ///< the share of acts that take one back, if possible; 0 to 1
    /// An act is taken back only after this many later acts. If at most this many acts are in progress, it has
    /// certainly happened by then.
    std::size_t age = 32;
};

/// Decides who likes and retweets what: an endless list of acts that depends only on the seed, on when messages
/// were posted, and on failed(). The popularity of a message does not depend on its position in the play. No more
/// is taken back of a message than this audience gave. A pure class.
class audience {
public:
    explicit audience(std::uint64_t seed, audience_habits habits = audience_habits());

    /// One more message was posted.
    void hear();

    /// Returns the next act.
    ///
    /// *Preconditions*: a message was posted.
    [[nodiscard]] act next();

    /// The act may not have happened, so it is not taken back. Call it before `age` more acts.
    void failed(act const& what);

    [[nodiscard]] std::size_t heard() const noexcept { return given_.size(); }

private:
    struct gifts {
        std::uint64_t rts = 0;
        std::uint64_t favs = 0;
    };

    [[nodiscard]] double draw();
    [[nodiscard]] std::uint64_t& count(act const& what);

    audience_habits habits_;
    std::mt19937_64 random_;
    zipf popularity_;
    std::vector<std::size_t> order_{};  // messages, the most popular first
    std::vector<gifts> given_{};        // acts that can be taken back, per message
    std::deque<act> young_{};           // the last `age` acts
};

}  // namespace pgtally::play
