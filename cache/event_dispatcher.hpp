#pragma once

// What the transport brings, and what it means for the tallies of a database.
//
// Model: it decides, for every signal of the transport, which tallies are changed, stop following, or need a load; what
// takes time it asks of its owner. It knows no connection and no clock, so that every history can be played to it.
//
// Guarantee: after `opened`, `lost`, or an event that says that a definition changed, no tally concerned is live before
// another load.

#include <pgtally/cache/barriers.hpp>
#include <pgtally/cache/event.hpp>
#include <pgtally/cache/load_schedule.hpp>
#include <pgtally/cache/tally.hpp>

#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace pgtally {

class event_dispatcher {
public:
    // By name, ascending.
    using tallies = std::map<std::string, std::unique_ptr<cache::tally>, std::less<>>;

    // Who waits: for loads and for definitions.
    class owner {
    public:
        virtual void want_load(std::string_view name, load_cause cause) = 0;
        virtual void give_up_load(std::string const& name) = 0;  // the one under way, if there is one
        virtual void want_definitions() = 0;
        virtual void applied(cache::event const& e) = 0;
        virtual void drop(std::string_view reason) = 0;  // a payload that is no event of a tally here

    protected:
        ~owner() = default;
    };

    event_dispatcher(tallies const& of, barriers& expected, owner& whose) noexcept
        : tallies_{&of}, expected_{&expected}, owner_{&whose}
    {
    }

    // The transport follows: from here on nothing is missing.
    void opened();

    // It does not, and why.
    void lost(std::string const& reason, bool permanent);

    void payload(std::string_view text);

    void stop_following(std::string const& name, cache::tally& tally, std::string const& reason, bool permanent);

private:
    cache::tally* find(std::string_view name) const noexcept;
    void on_event();
    void on_definition();

    tallies const* tallies_;
    barriers* expected_;
    owner* owner_;
    cache::event decoded_;
};

}  // namespace pgtally
