#include "contestants.hpp"
#include "tallies.hpp"

#include <pgtally/cache/subscription.hpp>
#include <pgtally/cache/tally.hpp>

#include <cstdint>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>

namespace pgtally::bench {
namespace {

/// Follows a question, and takes its answers inside wake().
class asker final : public cache::subscriber {
public:
    asker(cache::tally& of, cache::question about) : subscription_{of, *this, {.asks = std::move(about)}} { take(); }

    void wake(cache::subscription&) override { take(); }

private:
    void take()
    {
        do subscription_.next(update_, {});
        while (update_.what != cache::update::kind::none);
    }

    cache::subscription subscription_;
    cache::update update_;
};

}  // namespace

void ranks(ranked what, std::size_t keys, std::size_t changes, std::function<bool()> const& turn,
           std::function<void(rank_figures)> const& print)
{
    auto const of = make_tally([&](cache::tally& loading) {
        std::mt19937_64 random{1};
        for (std::size_t k = 0; k < keys; ++k) {
            std::int64_t const counters[]{1, static_cast<std::int64_t>(random() % keys) + (k < 10 ? 1'000'000'000 : 0)};
            loading.add_truth_row(std::to_string(k), counters);
        }
    });
    auto& questions = of->questions();
    rank_figures out;
    std::optional<asker> follows;
    if (what != ranked::nothing) {
        stopwatch const building;
        questions.ranked(1, {});
        while (questions.has_work()) questions.work();
        out.ranked_per_cpu_second = building.of(keys).per_cpu_second;
        out.bytes_per_key = static_cast<double>(questions.memory_bytes()) / static_cast<double>(keys);
    }
    if (what == ranked::top || what == ranked::hot_top) follows.emplace(*of, cache::top_question{"favs", 10});

    std::mt19937_64 random{2};
    cache::event event;
    while (turn()) {
        // The turns of a replica, one change a turn: decode, apply, flush.
        stopwatch const turns;
        for (std::size_t i = 0; i < changes; ++i) {
            auto const key = random() % (what == ranked::hot_top ? 10 : keys);
            auto const payload = R"({"t":"tweets","x":"11","n":1,"at":1,"d":[[")" + std::to_string(key) + R"(",0,1]]})";
            if (cache::decode(payload, event) != cache::event_error::none) throw std::logic_error("the event is none");
            of->apply(event);
            of->flush();
        }
        out.changes_per_cpu_second = turns.of(changes).per_cpu_second;
        print(out);
    }
}

}  // namespace pgtally::bench
