#pragma once

#include "environment.hpp"

#include <pgtally/cache/question.hpp>
#include <pgtally/cache/subscription.hpp>
#include <pgtally/cache/tally.hpp>

#include <optional>
#include <string>

namespace pgtally::sim {

// The answer to a question by what a tally serves, found by sorting its keys, as text.
std::string naive_answer(cache::tally const& of, cache::question const& about);

// A subscriber to a top, the sum or a rank. It may be slow and leave.
class asker final : cache::subscriber {
public:
    asker(environment& around, std::string name) : env_{around}, name_{std::move(name)} {}

    // If the client is not subscribed, asks something; otherwise leaves, and may ask something else.
    void change(cache::tally* of, std::uint32_t how);

    // Takes the next message, if the client was woken or a message is due. An answer must be the one by what is served now.
    void take();

    // Takes every message, and compares the client's answer with what is served.
    void check();

private:
    void wake(cache::subscription&) override { pending_ = true; }
    void ask(cache::tally& of, std::uint32_t how);
    cache::update::kind take_one();
    void apply(cache::update const& u);

    environment& env_;
    std::string name_;
    std::optional<cache::subscription> subscription_;
    bool pending_ = false;
    std::string has_, epoch_;
    std::uint64_t revision_ = 0;
    cache::update update_;
};

}  // namespace pgtally::sim
