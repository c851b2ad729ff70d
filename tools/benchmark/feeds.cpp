#include "contestants.hpp"
#include "tallies.hpp"

#include <pgtally/cache/subscription.hpp>
#include <pgtally/cache/tally.hpp>

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace pgtally::bench {
namespace {

constexpr std::size_t all_clients = 10'000;

/// A client that subscribes to one key, and takes its updates inside wake().
class client final : public cache::subscriber {
public:
    client(cache::tally& of, std::int64_t number) : subscription_{of, *this, {}}
    {
        subscription_.track({{}, number});
        take();
    }

    void wake(cache::subscription&) override { take(); }

    [[nodiscard]] std::uint64_t changes() const { return changes_; }

private:
    void take()
    {
        do {
            subscription_.next(update_, {});
            if (update_.what == cache::update::kind::change) ++changes_;
        } while (update_.what != cache::update::kind::none);
    }

    cache::subscription subscription_;
    cache::update update_;
    std::uint64_t changes_ = 0;
};

}  // namespace

feed_figures feed(std::size_t clients, std::size_t changes)
{
    std::vector<std::unique_ptr<cache::tally>> tallies;
    std::vector<std::unique_ptr<client>> connected;
    for (std::size_t i = 0; i < all_clients; ++i) {
        if (i % clients == 0) tallies.push_back(make_tally([](cache::tally&) {}));
        connected.push_back(std::make_unique<client>(*tallies.back(), static_cast<std::int64_t>(i % clients)));
    }
    for (auto const& each : tallies) each->flush();

    // The turns of a replica, one change a turn: decode, apply, flush.
    cache::event event;
    auto const watched = clients / 2;
    auto const payload = R"({"t":"tweets","x":"11","n":1,"at":1,"d":[[")" + std::to_string(watched) + R"(",1,0]]})";
    stopwatch const turns;
    for (std::size_t i = 0; i < changes; ++i) {
        if (cache::decode(payload, event) != cache::event_error::none) throw std::logic_error("the event is none");
        tallies.front()->apply(event);
        tallies.front()->flush();
    }
    auto const changed = turns.of(changes).per_cpu_second;
    if (connected[watched]->changes() != changes) throw std::logic_error("the client was not sent every change");

    stopwatch const leaves;
    for (auto& each : connected) each.reset();
    return {changed, leaves.of(all_clients).per_cpu_second};
}

}  // namespace pgtally::bench
