#include <pgtally/server/ask/watched.hpp>

#include <algorithm>
#include <utility>

namespace pgtally::server {

void watched::set(counters_row given, std::vector<counters_row>& differs)
{
    auto& known = rows_[given.key];
    known.snapshot = snapshot_;
    if (known.counters == given.counters) return;
    known.counters = given.counters;
    known.changed = events_;
    differs.push_back(std::move(given));
}

// A snapshot of every key has only those that are not 0.
void watched::forget_the_missing(std::vector<counters_row>& differs)
{
    for (auto at = rows_.begin(); at != rows_.end();) {
        if (at->second.snapshot == snapshot_) {
            ++at;
            continue;
        }
        differs.push_back({at->first, std::vector<std::int64_t>(names_.size())});
        at = rows_.erase(at);
    }
}

std::vector<counters_row> watched::take(pushed what)
{
    std::vector<counters_row> differs;
    ++events_;
    bool const counts = what.what == pushed::kind::snapshot || what.what == pushed::kind::change;
    if (counts) revision_ = what.revision;
    if (counts && !what.counters.names.empty()) names_ = what.counters.names;
    if (what.what == pushed::kind::snapshot || what.what == pushed::kind::state) {
        state_ = what.counters.state;
        reason_ = what.counters.reason;
    }
    bool const replaces = what.what == pushed::kind::snapshot && !what.partial;
    if (replaces && !in_snapshot_) ++snapshot_;
    for (auto& given : what.counters.rows) set(std::move(given), differs);
    if (replaces) in_snapshot_ = what.more;
    if (replaces && !what.more) forget_the_missing(differs);
    return differs;
}

counters_answer watched::shown(std::size_t most) const
{
    counters_answer out{names_, {}, state_, reason_};
    if (!named_.empty()) {
        for (auto const& key : named_) {
            auto const found = rows_.find(key);
            if (found != rows_.end() && out.rows.size() < most) out.rows.push_back({key, found->second.counters});
        }
        return out;
    }
    std::vector<decltype(rows_)::const_iterator> newest;
    for (auto at = rows_.begin(); at != rows_.end(); ++at) newest.push_back(at);
    auto const shown = std::min(most, newest.size());
    std::partial_sort(newest.begin(), newest.begin() + static_cast<std::ptrdiff_t>(shown), newest.end(),
                      [](auto const& a, auto const& b) {
                          return std::pair{b->second.changed, std::string_view{a->first}} <
                                 std::pair{a->second.changed, std::string_view{b->first}};
                      });
    newest.resize(shown);
    for (auto const& each : newest) out.rows.push_back({each->first, each->second.counters});
    return out;
}

}  // namespace pgtally::server
