#pragma once

// The surroundings of a server: databases behind one name, a network, a clock.

#include "database.hpp"

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <ostream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace pgtally::sim {

// A rule of the simulation is broken, for instance: the served counters differ from the truth.
struct violation : std::runtime_error {
    using std::runtime_error::runtime_error;
};

using milliseconds = std::chrono::milliseconds;

struct environment {
    std::vector<std::unique_ptr<database>> nodes;
    std::size_t named = 0;  // the node that the name leads to
    std::size_t tallies = 1;
    std::size_t max_keys = key_count;  // the limit `max_keys` of a server's tallies
    flaw broken = flaw::none;
    bool numbered = true;     // the schema has numbers of definitions and can be looked at
    bool may_repair = false;  // servers may call tally.reload
    unsigned last_number = 0;
    milliseconds now{0};
    milliseconds heartbeat{5'000};
    std::ostream* trace = nullptr;
    // What was shown at a position: the fingerprint of the counters, by epoch and revision.
    std::map<std::pair<std::string, std::uint64_t>, std::uint64_t> shown{};
    // The tops that were shown: by epoch, then by revision.
    std::map<std::string, std::map<std::uint64_t, std::string>> tops{};

    milliseconds answer_time() const noexcept { return heartbeat * 3; }
    database& current() noexcept { return *nodes[named]; }

    unsigned next_number() noexcept { return numbered ? ++last_number : 0; }

    // Whether the database finds the tally to be one that cannot be counted.
    bool fails(database const& at, std::size_t tally) const noexcept
    {
        return at.source_lost(tally) || (numbered && at.triggers_lost(tally));
    }

    // Whether servers must follow this tally when everything is at rest: it exists, has its source and triggers, or a
    // server may repair it, and not too many keys.
    bool can_be_live(std::size_t tally) noexcept
    {
        auto const& as = current().definition(tally);
        auto const truth = current().truth(tally, current().look());
        auto const counted = [&](numbers const& row) { return as.counters(row) != numbers{}; };
        auto const keys = static_cast<std::size_t>(std::ranges::count_if(truth, counted));
        bool const repaired = may_repair && !current().source_lost(tally);
        return as.exists && (repaired || !fails(current(), tally)) && keys <= max_keys;
    }

    template <class... Words>
    void tell(Words const&... words)
    {
        if (trace != nullptr) (*trace << ... << words) << '\n';
    }
};

// A connection to one of the nodes. A break is noticed at the next use.
class wire {
public:
    bool open(environment& around)
    {
        node_ = around.nodes[around.named].get();
        life_ = node_->life();
        number_ = around.named;
        if (!node_->up()) node_ = nullptr;
        return node_ != nullptr;
    }
    void close() noexcept { node_ = nullptr; }
    bool alive() const noexcept { return node_ != nullptr && node_->up() && node_->life() == life_; }
    database& at() const noexcept { return *node_; }
    std::size_t number() const noexcept { return number_; }

private:
    database* node_ = nullptr;
    unsigned life_ = 0;
    std::size_t number_ = 0;
};

}  // namespace pgtally::sim
