#include "shrink.hpp"

#include "world.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace pgtally::sim {

namespace {

bool fails(history const& what, flaw broken)
{
    return play(what, broken).has_value();
}

// Applies `change` to a copy of `best`, and keeps the copy if it still fails.
template <class Change>
bool attempt(history& best, flaw broken, Change change)
{
    auto changed = best;
    change(changed);
    if (!fails(changed, broken)) return false;
    best = std::move(changed);
    return true;
}

// Removes runs of `length` steps, from the end, where the history still fails. Returns whether it removed any.
bool leave_out(history& best, flaw broken, std::size_t length)
{
    bool any = false;
    for (std::size_t end = best.steps.size(); end >= length; end -= std::min(end, length)) {
        auto const cut = [&](history& h) {
            auto const first = h.steps.begin() + static_cast<std::ptrdiff_t>(end - length);
            h.steps.erase(first, first + static_cast<std::ptrdiff_t>(length));
        };
        any = attempt(best, broken, cut) || any;
    }
    return any;
}

void make_plain(history& best, flaw broken)
{
    if (best.servers > 1) attempt(best, broken, [](history& h) { h.servers = 1; });
    if (best.loaders > 1) attempt(best, broken, [](history& h) { h.loaders = 1; });
    if (best.tallies > 1) attempt(best, broken, [](history& h) { h.tallies = 1; });
    if (best.materialize) attempt(best, broken, [](history& h) { h.materialize = false; });
    if (best.changes_by) attempt(best, broken, [](history& h) { h.changes_by = false; });
    for (auto const tally : {0, 1}) {
        if (best.wal[tally]) attempt(best, broken, [&](history& h) { h.wal[tally] = false; });
    }
    if (best.slow) attempt(best, broken, [](history& h) { h.slow = false; });
    if (best.bounds != 0) attempt(best, broken, [](history& h) { h.bounds = 0; });
    for (auto const tally : {0, 1}) {
        if (best.first_definition[tally] != 0)
            attempt(best, broken, [&](history& h) { h.first_definition[tally] = 0; });
    }
    for (std::size_t i = 0; i < best.steps.size(); ++i) {
        if (best.steps[i].how != 0) attempt(best, broken, [i](history& h) { h.steps[i].how = 0; });
        if (best.steps[i].who != 0) attempt(best, broken, [i](history& h) { h.steps[i].who = 0; });
    }
}

}  // namespace

history shrink(history failing, flaw broken)
{
    for (bool again = true; again;) {
        again = false;
        make_plain(failing, broken);
        for (std::size_t length = std::max<std::size_t>(failing.steps.size() / 2, 1); length > 0; length /= 2) {
            while (failing.steps.size() >= length && leave_out(failing, broken, length)) again = true;
        }
    }
    return failing;
}

}  // namespace pgtally::sim
