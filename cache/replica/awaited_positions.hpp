#pragma once

#include <pgtally/cache/tally.hpp>
#include <pgtally/db/detail/signal.hpp>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace pgtally {

// Who waits until tallies reach positions. A turn costs what it wakes, however many wait.
class awaited_positions {
public:
    using place = std::multimap<std::uint64_t, db::detail::signal*>::iterator;

    // Lifetime: `who` until `remove`.
    place add(std::string const& tally, std::uint64_t revision, db::detail::signal& who)
    {
        return tallies_[tally].waiting.emplace(revision, &who);
    }

    void remove(std::string const& tally, place at)
    {
        auto const of = tallies_.find(tally);
        of->second.waiting.erase(at);
        if (of->second.waiting.empty()) tallies_.erase(of);
    }

    // Wakes those for whom the answer may have changed. `find` returns a tally by its name, or null.
    template <class Find>
    void look(Find find)
    {
        for (auto& [name, of] : tallies_) {
            auto const* const tally = find(std::string_view{name});
            if (tally == nullptr || tally->state_changes() != of.state_changes) {
                for (auto const& [revision, who] : of.waiting) who->notify();
            } else if (tally->state() == cache::state::live) {
                auto const end = of.waiting.upper_bound(tally->revision());
                for (auto at = of.waiting.begin(); at != end; ++at) at->second->notify();
            }
            of.state_changes = tally == nullptr ? 0 : tally->state_changes();
        }
    }

    // Wakes all.
    void end() noexcept
    {
        for (auto& [name, of] : tallies_) {
            for (auto const& [revision, who] : of.waiting) who->notify();
        }
    }

private:
    struct of_tally {
        std::multimap<std::uint64_t, db::detail::signal*> waiting;  // by revision
        std::uint64_t state_changes = 0;                            // of the tally, when it was looked at last
    };
    std::map<std::string, of_tally, std::less<>> tallies_;
};

}  // namespace pgtally
