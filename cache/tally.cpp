#include <pgtally/cache/tally.hpp>

#include <pgtally/cache/subscription.hpp>
#include <pgtally/cache/uuid.hpp>

#include <boost/assert.hpp>

#include <algorithm>
#include <utility>

namespace pgtally::cache {

tally::tally(cache::definition what, limits const& bounds)
    : definition_{std::move(what)}
    , limits_{bounds}
    , epoch_{make_uuid()}
    , served_{definition_.kind(), definition_.counters.size()}
    , zeros_(definition_.counters.size(), 0)
    , feed_{definition_.kind()}
    , answers_{served_, definition_.counters, last_change_, limits_}
{
}

tally::~tally()
{
    // A wake may destroy other subscriptions of this tally: take them out one at a time.
    while (auto* const who = feed_.remove_any()) {
        who->tally_ = nullptr;
        who->owner().wake(*who);
    }
}

std::uint64_t tally::revision() const noexcept
{
    auto const known = std::max(last_change_, stood_at_);
    return stream_ != nullptr && state_ == state::live ? std::max(known, stream_->reached) : known;
}

bool tally::knows(std::uint64_t at) const noexcept
{
    if (shares_positions() && (state_ != state::live || at < known_from_)) return false;
    return at >= remembered_from_ && at <= revision();
}

std::span<std::int64_t const> tally::counters(key const& k) const noexcept
{
    auto const s = served_.find(k);
    return s == counter_table::none ? std::span{zeros_} : served_.counters(s);
}

std::uint64_t tally::changed_at(key const& k) const noexcept
{
    auto const s = served_.find(k);
    return std::max(known_from_, s == counter_table::none ? remembered_from_ : served_.revision(s));
}

void tally::set_state(pgtally::cache::state value, pgtally::cache::reason why)
{
    if (state_ == value && reason_ == why) return;
    stood_at_ = revision();
    state_ = value;
    reason_ = std::move(why);
    ++state_changes_;
    feed_.changed_state();
}

void tally::lost(pgtally::cache::reason why)
{
    abandon_load();
    if (!broken_.empty()) set_state(state::failed, broken_);
    else set_state(loaded_ ? state::stale : state::loading, std::move(why));
}

void tally::fail(pgtally::cache::reason why)
{
    abandon_load();
    set_state(state::failed, std::move(why));
}

void tally::explain(pgtally::cache::reason why)
{
    if (state_ == state::loading || state_ == state::stale) set_state(state_, std::move(why));
}

bool tally::redefine(cache::definition what)
{
    BOOST_ASSERT(what.name == definition_.name && what.kind() == definition_.kind());
    bool const other = what.fingerprint != definition_.fingerprint;
    bool const renumbered = what.v != definition_.v;
    definition_ = std::move(what);
    if (other) {
        start_over();
    } else if (renumbered) {
        abandon_load();
        if (state_ == state::live) set_state(state::stale, cache::reason{reason::kind::definition_changed});
    }
    return other || renumbered;
}

void tally::begin_epoch()
{
    last_change_ = changes_ = remembered_from_ = known_from_ = stood_at_ = 0;
    feed_.start_over();
    feed_.changed_state();
    ++state_changes_;
}

void tally::start_over()
{
    load_.reset();
    fence_.reset();
    highest_ = {};
    broken_ = {};
    loaded_ = false;
    stream_ = nullptr;
    served_ = counter_table{definition_.kind(), definition_.counters.size()};
    zeros_.assign(definition_.counters.size(), 0);
    answers_.counters_replaced();
    epoch_ = make_uuid();
    epoch_is_shared_ = false;
    set_state(state::loading, {});
    begin_epoch();
}

}  // namespace pgtally::cache
