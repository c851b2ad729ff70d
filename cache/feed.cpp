#include <pgtally/cache/feed.hpp>

#include <pgtally/cache/subscription.hpp>

#include <utility>

namespace pgtally::cache {

feed::joined_list& feed::list_for(subscription const& who) noexcept
{
    if (who.asks()) return asking_;
    return who.all_keys() ? all_keys_ : named_;
}

void feed::join(subscription& who) noexcept
{
    list_for(who).push_back(who.member_);
}

subscription* feed::remove_any() noexcept
{
    for (auto* const from : {&all_keys_, &asking_, &named_}) {
        if (from->empty()) continue;
        auto& first = from->front();
        from->pop_front();
        first.ready.unlink();
        first.awaits.unlink();
        first.asks.unlink();
        for (auto const& k : first.who->keys_) {
            if (k.used()) unwatch(k.as_key(), k.position);
        }
        return first.who;
    }
    return nullptr;
}

void feed::watch(key const& k, subscription& who, std::uint32_t index)
{
    auto const* known = watched_.find(k);
    if (known == nullptr) {
        auto made = std::make_unique<watched_key>();  // before the place: an exception leaves none without it
        known = &(watched_.find_or_add(k) = std::move(made));
    }
    auto& of = **known;
    mark(of);  // what changed before does not concern `who`
    of.watchers.push_back(watcher{&who, index});
    who.keys_[index].position = static_cast<std::uint32_t>(of.watchers.size() - 1);
}

void feed::unwatch(key const& k, std::uint32_t position) noexcept
{
    auto* const place = watched_.find(k);
    if (place == nullptr) return;
    auto& list = (*place)->watchers;
    list[position] = list.back();
    list.pop_back();
    if (list.empty()) {
        forget_changes(**place);
        watched_.erase(k);
    } else if (position < list.size()) {
        auto const& moved = list[position];
        moved.who->keys_[moved.index].position = position;
    }
}

void feed::changed(counter_table const& table, counter_table::slot s)
{
    any_ = true;
    if (watched_.empty()) return;
    auto* const found = watched_.find(table.key_of(s));
    if (found == nullptr) return;
    auto& of = **found;
    if (of.changes == 0) {
        changed_.push_back(&of);
        of.place = changed_.size() - 1;
    }
    ++of.changes;
}

void feed::mark()
{
    while (!changed_.empty()) mark(*changed_.back());
}

void feed::mark(watched_key& of)
{
    if (of.changes == 0) return;
    for (auto const& [who, index] : of.watchers) {
        who->mark(index, of.changes);
        wake(*who);
    }
    forget_changes(of);
}

void feed::forget_changes(watched_key& of) noexcept
{
    if (of.changes == 0) return;
    of.changes = 0;
    changed_[of.place] = changed_.back();
    changed_[of.place]->place = of.place;
    changed_.pop_back();
}

void feed::start_over() noexcept
{
    for (auto* const list : {&all_keys_, &asking_, &named_}) {
        for (auto const& each : *list) each.who->start_over();
    }
}

void feed::wake(subscription& who) noexcept
{
    make_ready(who.member_);
}

void feed::make_ready(member& which) noexcept
{
    if (!which.ready.is_linked()) ready_.push_back(which);
}

void feed::await(std::uint64_t revision, subscription& who) noexcept
{
    auto& its = who.member_;
    its.awaited = revision;
    if (!its.awaits.is_linked()) awaiting_.push_back(its);
}

void feed::flush(std::uint64_t reached)
{
    mark();
    for (auto each = awaiting_.begin(); each != awaiting_.end();) {
        auto& its = *each++;
        if (its.awaited > reached) continue;
        its.awaits.unlink();
        make_ready(its);
    }
    if (any_) {
        for (auto& each : all_keys_) make_ready(each);
    }
    if (state_) {
        for (auto* const list : {&named_, &asking_}) {
            for (auto& each : *list) make_ready(each);
        }
    }
    any_ = state_ = false;
    // A wake may destroy any subscription (which unlinks it) and this feed: from here on only use the local list.
    ready_list waking;
    waking.swap(ready_);
    while (!waking.empty()) {
        auto& who = *waking.front().who;
        waking.pop_front();
        who.owner().wake(who);
    }
}

}  // namespace pgtally::cache
