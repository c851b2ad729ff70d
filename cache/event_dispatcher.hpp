#pragma once

// Decides what a signal of a transport means for the tallies of a database.
//
// Model: each tally follows one transport, which its definition names. For every signal the dispatcher decides which
// tallies change, stop following, or need a load. Its owner does whatever takes time. The dispatcher uses no connection
// and no clock, so that a test can play every history to it.
//
// Guarantees:
//   - After `opened`, `lost`, or an event that says that a definition changed, no tally concerned is live before
//     another load. The opening or loss of a transport concerns that transport's tallies only.
//   - An event that comes by another transport than its tally's belongs to another definition and changes nothing. An
//     event that says that a definition changed takes effect by any transport.
//   - An event of a newer definition than the one that was read is not applied: the definitions are read, and the tally
//     is loaded. An event of an older definition is dropped: creating, altering and reloading a tally wait for the
//     transactions of its writers, so every load after the definition was read contains the event.
//   - Whoever sends events, at whatever rate, causes only loads of the causes that `load_schedule` rate-limits.
//
// A transport is identified by its index in the replica set; 0 is `notify`.

#include <pgtally/cache/barriers.hpp>
#include <pgtally/cache/event.hpp>
#include <pgtally/cache/load_schedule.hpp>
#include <pgtally/cache/stream.hpp>
#include <pgtally/cache/tally.hpp>

#include <array>
#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pgtally {

class event_dispatcher {
public:
    // Why payloads are dropped: the metric's `reason`. Those of `cache::event_error`, and those of events that do not fit
    // the definition.
    static constexpr std::array<std::string_view, 7> drop_reasons{
        "too_long", "not_json", "wrong_shape", "wrong_number", "wrong_width", "wrong_key", "outdated"};

    // By name, ascending.
    using tallies = std::map<std::string, std::unique_ptr<cache::tally>, std::less<>>;

    // Does what takes time on behalf of the dispatcher.
    class owner {
    public:
        virtual void want_load(std::string_view name, load_cause cause) = 0;
        virtual void give_up_load(std::string const& name) = 0;  // the one under way, if any
        virtual void want_definitions() = 0;
        virtual void want_look(std::string const& name) = 0;  // the database may know what is wrong with the tally
        virtual void applied(cache::event const& e) = 0;
        virtual void drop(std::string_view reason) = 0;  // a payload that is no event of a tally here

        // A barrier came back by this transport. Returns whether it was one of the transport's heartbeats.
        virtual bool heartbeat_back(std::size_t transport, std::string_view id) = 0;

    protected:
        ~owner() = default;
    };

    // `transports` are their names, by index.
    event_dispatcher(tallies const& of, barriers& expected, owner& whose, std::vector<std::string> transports)
        : tallies_{&of}
        , expected_{&expected}
        , owner_{&whose}
        , transports_{std::move(transports)}
        , streams_(transports_.size())
    {
    }

    // The transport that a tally follows; nothing if the set has no transport of the name in the tally's definition.
    std::optional<std::size_t> transport_of(cache::tally const& tally) const noexcept;

    // The stream of a tally's transport, for its loads; null if the set has no such transport. Lifetime: the dispatcher's.
    cache::stream const* stream_of(cache::tally const& tally) const noexcept;
    cache::stream const& stream_at(std::size_t transport) const noexcept { return streams_[transport]; }

    // The transport is open: from here on no event is missing. `order` names the order of its commits (cache/stream.hpp).
    void opened(std::size_t transport, std::string order = {});

    // The transport is lost. `permanent`: waiting does not cure it.
    void lost(std::size_t transport, cache::reason const& why, bool permanent);

    void payload(std::size_t transport, std::string_view text);

    // Payloads that come next, in this order. Changes nothing: the processor loads their rows while it decodes them, which pays
    // for a table that its caches do not hold.
    void look_ahead(std::span<std::string_view const> texts);

    // The bounds of a transaction, of transports that know them: its payloads come in between.
    void begin(std::size_t transport, std::uint64_t position) noexcept;
    void commit(std::size_t transport) noexcept;

    void stop_following(std::string const& name, cache::tally& tally, cache::reason const& why, bool permanent);

private:
    cache::tally* find(std::string_view name) const noexcept;
    bool follows(cache::tally const& tally, std::size_t transport) const noexcept;
    void on_event(std::size_t transport);
    void on_other_definition(cache::tally& tally);
    void on_misfit(std::string_view reason);
    void on_definition();

    tallies const* tallies_;
    barriers* expected_;
    owner* owner_;
    std::vector<std::string> transports_;
    std::vector<cache::stream> streams_;  // by index
    cache::event decoded_, ahead_;
};

}  // namespace pgtally
