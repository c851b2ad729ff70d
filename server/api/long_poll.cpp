#include <pgtally/server/api/long_poll.hpp>

#include <algorithm>
#include <utility>

namespace pgtally::server {

long_poll::long_poll(cache::since_point since, std::chrono::seconds longest, time_point now)
    : since_{std::move(since)}, began_{now}, until_{now + longest}, due_{until_}
{
}

long_poll::verdict long_poll::judge(cache::tally const& of, std::uint64_t changed_at, time_point now, bool over)
{
    awaited_.reset();
    due_ = until_;
    if (!of.has_counters() || of.epoch() != since_.epoch) return verdict::answer;
    if (!state_changes_) state_changes_ = of.state_changes();
    if (*state_changes_ != of.state_changes()) return verdict::answer;

    if (since_.revision > of.revision()) {
        if (!of.shares_positions()) return verdict::answer;
        due_ = std::min(until_, began_ + of.bounds().since_patience);
        if (over || now >= due_) return verdict::answer;
        awaited_ = since_.revision;
        return verdict::wait;
    }
    bool const live = of.state() == cache::state::live;
    // The revision of a tally that is not live stands still: as far as it knows, nothing changed since then.
    bool const unchanged =
        since_.revision == changed_at || (since_.revision > changed_at && (!live || of.knows(since_.revision)));
    if (!unchanged) return verdict::answer;
    if (!over && now < until_) return verdict::wait;
    return live ? verdict::unchanged : verdict::answer;
}

}  // namespace pgtally::server
