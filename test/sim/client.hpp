#pragma once

#include "environment.hpp"

#include <pgtally/cache/subscription.hpp>
#include <pgtally/cache/tally.hpp>

#include <array>
#include <optional>

namespace pgtally::sim {

// A subscriber. It applies messages by the documented rules alone. It may be slow, leave, and return with the revision
// at which it stopped.
class client final : cache::subscriber {
public:
    client(environment& around, std::string name) : env_{around}, name_{std::move(name)} {}

    // If the client is not subscribed, subscribes to all keys or some; otherwise leaves, returns, or tracks other keys.
    void change(cache::tally* of, std::uint32_t how);

    // Its balancer leads to another server, whose tally this is: it leaves and returns with its point.
    void move_to(cache::tally* of);

    // Takes the next message, if the client was woken or a message is due.
    void take();

    // Takes every message that is due, and compares the client's values with the served ones.
    void check();

private:
    void wake(cache::subscription&) override { pending_ = true; }
    void join(cache::tally& of, std::uint32_t how, bool resume);
    void track(std::uint32_t keys);
    void untrack(std::uint32_t keys);
    void leave();
    void forget();
    cache::update::kind take_one(cache::subscription::clock::time_point now);
    void apply(cache::update const& u);
    void apply_values(cache::update const& u);
    meaning of() const;

    environment& env_;
    std::string name_;
    std::optional<cache::subscription> subscription_;
    bool pending_ = false, all_ = false, in_parts_ = false;
    std::uint32_t had_ = 0, tracked_ = 0;  // bits: keys that have a value here, keys that are tracked
    sums values_{};
    std::string epoch_, parts_epoch_;
    std::optional<cache::since_point> point_;
    std::uint64_t revision_ = 0;
    milliseconds joined_at_{0};
    bool waited_ = false;  // so long since then that another server that is behind sends everything
    cache::update update_;
};

}  // namespace pgtally::sim
