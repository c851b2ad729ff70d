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
    de_rt,   ///< a retweet is taken back
    de_fav,  ///< a like is taken back
};

/// As tweet.action_t has it.
[[nodiscard]] char const* name_of(action what) noexcept;

struct act {
    std::size_t message = 0;  ///< its place among those said so far, from 0
    action what = action::fav;

    bool operator==(act const&) const = default;
};

struct audience_habits {
    double exponent = 1.07;   ///< of Zipf's law; >= 0
    double likes = 0.7;       ///< of the acts, the others are retweets; 0 to 1
    double take_backs = 0.1;  ///< of the acts, where there is something to take back; 0 to 1
    /// Only what is older than so many acts is taken back. Whoever has no more of them under way so knows
    /// that it happened.
    std::size_t age = 32;
};

/// Who likes and retweets what: a list without end that depends on nothing but the seed, what was heard
/// between which acts, and failed(). Popularity has nothing to do with a message's place in the play. Of a
/// message no more is taken back than this audience gave. Pure.
class audience {
public:
    explicit audience(std::uint64_t seed, audience_habits habits = audience_habits());

    /// One more message was said.
    void hear();

    /// The next act. Some message must have been said.
    [[nodiscard]] act next();

    /// It may not have happened, so it will not be taken back. To be told before there are `age` more.
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
    std::vector<gifts> given_{};        // that can be taken back, by message
    std::deque<act> young_{};           // the last `age` acts
};

}  // namespace pgtally::play
