#pragma once

// A tally directory that tests fill, and the text of what clients receive from it.

#include "../../cache/tallies.hpp"

#include <pgtally/server/push/tally_directory.hpp>

#include <map>
#include <memory>
#include <string>

namespace pgtally::test {

struct directory final : server::tally_directory {
    cache::tally* find(std::string_view name) override
    {
        auto const at = tallies.find(name);
        return at == tallies.end() ? nullptr : at->second.get();
    }
    bool knows_tallies() const override { return known; }
    cache::reason failure() const override { return trouble; }
    cache::limits const& bounds() const override { return limits; }

    cache::tally& tweets() { return *tallies.at("tweets"); }

    // Adds to a counter of `tweets` in a transaction of its own, and wakes the subscriptions.
    void count(std::string const& key, std::int64_t rts, std::int64_t favs)
    {
        tweets().apply(deltas(++transaction, key, rts, favs));
        tweets().flush();
    }

    void lose(char const* reason)
    {
        tweets().lost({cache::reason::kind::unreachable, reason});
        tweets().flush();
    }

    // With a tally `tweets`, live and empty.
    static directory with_tweets(cache::limits const& bounds = {})
    {
        directory out;
        out.limits = bounds;
        out.tallies.emplace("tweets", loaded_tally("10:20:", bounds));
        return out;
    }

    std::map<std::string, std::unique_ptr<cache::tally>, std::less<>> tallies;
    bool known = true;
    cache::reason trouble;
    cache::limits limits;
    std::uint64_t transaction = 30;
};

}  // namespace pgtally::test
