#include <pgtally/cache/feed.hpp>

#include <pgtally/cache/subscription.hpp>

#include <algorithm>

namespace pgtally::cache {

void feed::watch(key const& k, subscription& who, std::uint32_t index)
{
    auto& list = watched_.find_or_add(k);
    who.keys_[index].position = static_cast<std::uint32_t>(list.size());
    list.push_back(watcher{&who, index});
}

void feed::unwatch(key const& k, std::uint32_t position) noexcept
{
    auto* const list = watched_.find(k);
    if (list == nullptr) return;
    (*list)[position] = list->back();
    list->pop_back();
    if (list->empty()) {
        watched_.erase(k);
    } else if (position < list->size()) {
        auto const& moved = (*list)[position];
        moved.who->keys_[moved.index].position = position;
    }
}

void feed::join(subscription& who)
{
    members_.push_back(&who);
    ready_.reserve(members_.size());
    waking_.reserve(members_.size());
}

void feed::leave(subscription& who) noexcept
{
    std::erase(members_, &who);
    std::erase(ready_, &who);
    std::replace(waking_.begin(), waking_.end(), &who, static_cast<subscription*>(nullptr));
}

void feed::changed(counter_table const& table, counter_table::slot s)
{
    any_ = true;
    if (watched_.empty()) return;
    auto const* const list = watched_.find(table.key_of(s));
    if (list == nullptr) return;
    for (auto const& [who, index] : *list) {
        who->mark(index);
        wake(*who);
    }
}

void feed::wake(subscription& who)
{
    if (who.waking_) return;
    who.waking_ = true;
    ready_.push_back(&who);
}

void feed::flush()
{
    if (any_) {
        for (auto* const who : members_) {
            if (all_ || who->all_keys()) wake(*who);
        }
    }
    any_ = all_ = false;
    // A subscriber may leave while it is woken: `leave` then clears its place in the list.
    waking_.swap(ready_);
    for (std::size_t i = 0; i < waking_.size(); ++i) {
        if (waking_[i] == nullptr) continue;
        waking_[i]->waking_ = false;
        waking_[i]->owner().wake(*waking_[i]);
    }
    waking_.clear();
}

}  // namespace pgtally::cache
