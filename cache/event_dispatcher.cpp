#include <pgtally/cache/event_dispatcher.hpp>

namespace pgtally {

cache::tally* event_dispatcher::find(std::string_view name) const noexcept
{
    auto const at = tallies_->find(name);
    return at == tallies_->end() ? nullptr : at->second.get();
}

void event_dispatcher::opened()
{
    owner_->want_definitions();
    // What was live until now has missed events, whether the loss was told (`lost`) or not (too many at once).
    for (auto const& [name, tally] : *tallies_) {
        if (tally->state() == cache::state::live) tally->lost("events may have been missed; loading again");
        owner_->give_up_load(name);
        owner_->want_load(name, tally->has_counters() ? load_cause::reconnect : load_cause::start);
    }
}

void event_dispatcher::lost(std::string const& reason, bool permanent)
{
    for (auto const& [name, tally] : *tallies_) stop_following(name, *tally, reason, permanent);
}

void event_dispatcher::stop_following(std::string const& name, cache::tally& tally, std::string const& reason,
                                      bool permanent)
{
    if (permanent) tally.fail(reason);
    else tally.lost(reason);
    owner_->give_up_load(name);
}

void event_dispatcher::payload(std::string_view text)
{
    auto const error = cache::decode(text, decoded_);
    if (error != cache::event_error::none) owner_->drop(to_string(error));
    else if (decoded_.what == cache::event::kind::barrier) expected_->came_back(decoded_.barrier);
    else if (decoded_.what == cache::event::kind::definition) on_definition();
    else on_event();
}

void event_dispatcher::on_event()
{
    auto* const tally = find(decoded_.tally);
    if (tally == nullptr) return;  // of no concern here, or created a moment ago: its load will have it
    switch (tally->apply(decoded_)) {
        case cache::outcome::applied: break;
        case cache::outcome::contained:
        case cache::outcome::ignored: return;
        case cache::outcome::wrong_width: return owner_->drop("wrong_width");
        case cache::outcome::wrong_key: return owner_->drop("wrong_key");
        case cache::outcome::needs_load: return owner_->want_load(decoded_.tally, load_cause::reload);
    }
    // By this event, if there is no load: else it was for that one.
    bool const failed = tally->state() == cache::state::failed && !tally->loading();
    if (failed) owner_->want_load(decoded_.tally, load_cause::retry);
    owner_->applied(decoded_);
}

// Events that follow are of a definition that is not known here, so that none may be applied until it is.
void event_dispatcher::on_definition()
{
    owner_->want_definitions();
    if (auto* const tally = find(decoded_.tally)) {
        stop_following(decoded_.tally, *tally, "its definition changed; loading again", false);
        owner_->want_load(decoded_.tally, load_cause::definition);
    }
}

}  // namespace pgtally
