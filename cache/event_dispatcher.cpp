#include <pgtally/cache/event_dispatcher.hpp>

#include <pgtally/cache/plain_event.hpp>

#include <algorithm>
#include <utility>

namespace pgtally {

cache::tally* event_dispatcher::find(std::string_view name) const noexcept
{
    auto const at = tallies_->find(name);
    return at == tallies_->end() ? nullptr : at->second.get();
}

std::optional<std::size_t> event_dispatcher::transport_of(cache::tally const& tally) const noexcept
{
    auto const at = std::ranges::find(transports_, tally.definition().transport);
    if (at == transports_.end()) return std::nullopt;
    return static_cast<std::size_t>(at - transports_.begin());
}

bool event_dispatcher::follows(cache::tally const& tally, std::size_t transport) const noexcept
{
    return tally.definition().transport == transports_[transport];
}

cache::stream const* event_dispatcher::stream_of(cache::tally const& tally) const noexcept
{
    auto const by = transport_of(tally);
    return by ? &streams_[*by] : nullptr;
}

void event_dispatcher::begin(std::size_t transport, std::uint64_t position) noexcept
{
    streams_[transport].committing = position;
}

void event_dispatcher::commit(std::size_t transport) noexcept
{
    auto& of = streams_[transport];
    of.reached = std::exchange(of.committing, 0);
}

void event_dispatcher::opened(std::size_t transport, std::string order)
{
    owner_->want_definitions();
    for (auto const& [name, tally] : *tallies_) {
        if (!follows(*tally, transport)) continue;
        // A live tally has missed events. If too many events were waiting, they were dropped without a reported loss.
        if (tally->state() == cache::state::live) tally->lost(cache::reason{cache::reason::kind::missed_events});
        owner_->give_up_load(name);
        owner_->want_load(name, tally->has_counters() ? load_cause::reconnect : load_cause::start);
    }
    streams_[transport] = {std::move(order)};
}

void event_dispatcher::lost(std::size_t transport, cache::reason const& why, bool permanent)
{
    for (auto const& [name, tally] : *tallies_) {
        if (follows(*tally, transport)) stop_following(name, *tally, why, permanent);
    }
}

void event_dispatcher::stop_following(std::string const& name, cache::tally& tally, cache::reason const& why,
                                      bool permanent)
{
    if (permanent) tally.fail(why);
    else tally.lost(why);
    owner_->give_up_load(name);
}

void event_dispatcher::payload(std::size_t transport, std::string_view text)
{
    using kind = cache::event::kind;
    auto const error = cache::decode(text, decoded_);
    if (error != cache::event_error::none) return owner_->drop(to_string(error));
    if (decoded_.what == kind::definition) return on_definition();
    if (decoded_.what != kind::barrier) return on_event(transport);
    if (!owner_->heartbeat_back(transport, decoded_.barrier)) expected_->came_back(decoded_.barrier, transport);
}

void event_dispatcher::look_ahead(std::span<std::string_view const> texts)
{
    cache::tally* of = nullptr;
    for (auto const text : texts) {
        ahead_.clear();
        if (!cache::decode_plain(text, ahead_)) break;
        // They are of one tally, as those of a transaction mostly are.
        if (of != nullptr && of->definition().name != ahead_.tally) break;
        if (of == nullptr) of = find(ahead_.tally);
        if (of == nullptr || !of->expect(ahead_)) break;
    }
    if (of != nullptr) of->load_expected();
}

void event_dispatcher::on_event(std::size_t transport)
{
    auto* const tally = find(decoded_.tally);
    // If the tally is not known here yet because it was just created, its load will contain the event.
    if (tally == nullptr || !follows(*tally, transport)) return;
    auto const v = tally->definition().v;
    if (decoded_.v > v) return on_other_definition(*tally);
    if (decoded_.v != 0 && decoded_.v < v) return owner_->drop("outdated");
    switch (tally->apply(decoded_)) {
        case cache::outcome::applied: break;
        case cache::outcome::contained:
        case cache::outcome::ignored: return;
        case cache::outcome::wrong_width: return on_misfit("wrong_width");
        case cache::outcome::wrong_key: return on_misfit("wrong_key");
        case cache::outcome::broken:
            owner_->want_look(decoded_.tally);
            return owner_->want_load(decoded_.tally, load_cause::broken);
        case cache::outcome::needs_load: return owner_->want_load(decoded_.tally, load_cause::reload);
    }
    // If no load is under way, the event made the tally fail. Otherwise the event was kept for the load.
    bool const failed = tally->state() == cache::state::failed && !tally->loading();
    if (failed) owner_->want_load(decoded_.tally, load_cause::retry);
    owner_->applied(decoded_);
}

// The events that follow belong to a definition that is not known here yet. They must not be applied before it is.
void event_dispatcher::on_definition()
{
    auto* const tally = find(decoded_.tally);
    bool const older = tally != nullptr && decoded_.v != 0 && decoded_.v < tally->definition().v;
    if (tally != nullptr && !older) on_other_definition(*tally);
    else owner_->want_definitions();
}

void event_dispatcher::on_other_definition(cache::tally& tally)
{
    owner_->want_definitions();
    cache::reason const changed{cache::reason::kind::definition_changed};
    stop_following(decoded_.tally, tally, changed, false);
    owner_->want_load(decoded_.tally, load_cause::definition);
}

// The event is evidence against the definition that was read as much as against its sender.
void event_dispatcher::on_misfit(std::string_view reason)
{
    owner_->drop(reason);
    owner_->want_definitions();
    owner_->want_load(decoded_.tally, load_cause::definition);
}

}  // namespace pgtally
