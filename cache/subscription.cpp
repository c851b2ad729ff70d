#include <pgtally/cache/subscription.hpp>

#include <pgtally/cache/tally.hpp>

#include <boost/assert.hpp>

#include <utility>

namespace pgtally::cache {

subscription::subscription(tally& of, subscriber& owner, options chosen)
    : tally_{&of}
    , owner_{&owner}
    , all_keys_{chosen.all_keys}
    , asks_{std::move(chosen.asks)}
    , since_{std::move(chosen.since)}
    , interval_{chosen.interval}
    , index_{of.definition().kind()}
{
    if (asks_) watch_ = &tally_->questions().join(*asks_, member_);
    tally_->subscribers().join(*this);
}

subscription::~subscription()
{
    if (dropped()) return;
    if (watch_ != nullptr) tally_->questions().leave(*watch_, member_);
    for (auto const& k : keys_) {
        if (k.used()) tally_->subscribers().unwatch(k.as_key(), k.position);
    }
}

void subscription::track(key const& k)
{
    BOOST_ASSERT(!all_keys_ && !asks_ && !dropped());
    std::uint32_t index = 0;
    if (auto const* const known = index_.find(k)) {
        index = *known;
    } else {
        index = free_.empty() ? static_cast<std::uint32_t>(keys_.size()) : free_.back();
        if (free_.empty()) keys_.emplace_back();
        else free_.pop_back();
        keys_[index].number = k.number;
        if (!is_number(tally_->definition().kind())) keys_[index].text = k.text;
        index_.find_or_add(k) = index;
        tally_->subscribers().watch(k, *this, index);
    }
    add(fresh_, &tracked_key::fresh, index);
}

void subscription::untrack(key const& k)
{
    BOOST_ASSERT(!all_keys_ && !asks_ && !dropped());
    auto const* const known = index_.find(k);
    if (known == nullptr) return;
    std::uint32_t const index = *known;
    tally_->subscribers().unwatch(k, keys_[index].position);
    index_.erase(k);
    remove(dirty_, &tracked_key::dirty, index);
    remove(fresh_, &tracked_key::fresh, index);
    keys_[index] = tracked_key{};
    free_.push_back(index);
}

bool subscription::add(std::vector<std::uint32_t>& list, place at, std::uint32_t index)
{
    if (keys_[index].*at != absent) return false;
    list.push_back(index);
    keys_[index].*at = static_cast<std::uint32_t>(list.size() - 1);
    return true;
}

bool subscription::remove(std::vector<std::uint32_t>& list, place at, std::uint32_t index) noexcept
{
    auto const hole = std::exchange(keys_[index].*at, absent);
    if (hole == absent) return false;
    auto const last = list.back();
    list.pop_back();
    if (last == index) return true;
    list[hole] = last;
    keys_[last].*at = hole;
    return true;
}

void subscription::clear(std::vector<std::uint32_t>& list, place at) noexcept
{
    for (auto const index : list) keys_[index].*at = absent;
    list.clear();
}

void subscription::mark(std::uint32_t index, std::uint64_t changes)
{
    conflated_ += changes - (add(dirty_, &tracked_key::dirty, index) ? 1 : 0);
}

void subscription::clear_marks() noexcept
{
    clear(dirty_, &tracked_key::dirty);
    clear(fresh_, &tracked_key::fresh);
}

void subscription::start_over() noexcept
{
    snapshot_due_ = true;
    told_dropped_ = false;
    since_.reset();
    part_.reset();
    sent_ = changes_sent_ = 0;
    since_until_.reset();
}

bool subscription::has_change() const noexcept
{
    if (watch_ != nullptr) return watch_->version != version_sent_;
    return all_keys_ ? tally_->last_change() > sent_ : !dirty_.empty();
}

bool subscription::has_more() const noexcept
{
    if (dropped()) return !told_dropped_;
    return watch_ != nullptr || snapshot_due_ || part_ || !fresh_.empty() || has_change() ||
           state_sent_ != tally_->state_changes();
}

update::item subscription::item_of(std::uint32_t index) const
{
    return {tally_->table().find(keys_[index].as_key()), index};
}

void subscription::append_key(update::item const& which, std::string& out) const
{
    if (all_keys_) tally_->table().append_key(which.row, out);
    else out += text_of(which.tracked);
}

std::string subscription::text_of(std::uint32_t index) const
{
    auto const& of = keys_[index];
    return is_number(tally_->definition().kind()) ? std::to_string(of.number) : of.text;
}

void subscription::next(update& out, clock::time_point now)
{
    out.what = update::kind::none;
    out.partial = out.more = out.of_all_keys = false;
    out.items.clear();
    out.answered = nullptr;
    out.rows = {};
    due_ = clock::time_point::max();
    if (!dropped()) tally_->subscribers().mark();
    if (dropped() || (watch_ != nullptr && !watch_->possible)) {
        if (!std::exchange(told_dropped_, true)) out.what = update::kind::dropped;
    } else if (!tally_->has_counters()) {
        next_state(out);
    } else if (watch_ != nullptr && waits_for_answer()) {
        // What the client has is of before: live would say that it is the newest.
        if (tally_->state() != state::live) next_state(out);
    } else if (snapshot_due_ || part_) {
        if (!is_ahead(now)) next_snapshot(out);
    } else if (!fresh_.empty()) {
        next_fresh(out);
    } else if (tells_live() && has_change()) {
        next_change(out, now);
    } else if (!next_state(out) && has_change() && !is_held_back(now)) {
        next_change(out, now);
    }
}

// Whether the next state message would say live. What the client has must then be the newest, whatever its interval is.
bool subscription::tells_live() const noexcept
{
    return state_sent_ != tally_->state_changes() && tally_->state() == state::live;
}

bool subscription::is_held_back(clock::time_point now) noexcept
{
    if (interval_.count() == 0 || !last_change_ || now >= *last_change_ + interval_) return false;
    due_ = *last_change_ + interval_;
    return true;
}

void subscription::next_snapshot(update& out)
{
    out.what = update::kind::snapshot;
    state_sent_ = tally_->state_changes();
    if (std::exchange(snapshot_due_, false)) {
        part_.reset();
        if (since_ && resume(out)) return;
        if (watch_ != nullptr) return put_answer(out);
        if (all_keys_) {
            part_ = 0;
            part_revision_ = tally_->revision();
            part_changes_ = tally_->changes();
        }
    }
    if (all_keys_) next_part(out);
    else all_of_named(out);
}

// Whether the client's point is one that this server has not reached yet, and may reach soon.
bool subscription::is_ahead(clock::time_point now)
{
    bool const ahead = since_ && tally_->shares_positions() && since_->epoch == tally_->epoch() &&
                       since_->revision > tally_->revision();
    if (!ahead) return false;
    if (!since_until_) since_until_ = now + tally_->bounds().since_patience;
    if (now >= *since_until_) return false;
    due_ = *since_until_;
    tally_->subscribers().await(since_->revision, *this);
    return true;
}

// Resumes from the client's point, if the table remembers what changed since then and one message can hold it. Returns
// false otherwise: the client then needs a whole snapshot.
bool subscription::resume(update& out)
{
    auto const point = *std::exchange(since_, std::nullopt);
    bool const known = !whole_ && watch_ == nullptr && point.epoch == tally_->epoch() && tally_->knows(point.revision);
    if (!known || !changed_since(point.revision, out)) {
        out.items.clear();
        return false;
    }
    clear_marks();
    out.partial = true;
    out.revision = sent_ = tally_->revision();
    changes_sent_ = tally_->changes();
    return true;
}

bool subscription::changed_since(std::uint64_t revision, update& out) const
{
    auto const& table = tally_->table();
    if (all_keys_) {
        for (auto s = table.newest(); s != counter_table::none && table.revision(s) > revision; s = table.older(s)) {
            if (out.items.size() == tally_->bounds().max_keys_in_message) return false;
            out.items.push_back({s, 0});
        }
        return true;
    }
    for (std::uint32_t index = 0; index < keys_.size(); ++index) {
        if (!keys_[index].used()) continue;
        auto const item = item_of(index);
        if (item.row != counter_table::none && table.revision(item.row) > revision) out.items.push_back(item);
    }
    return true;
}

// The next part of a snapshot of all keys. It holds the present values and the revision of the first part, so that what
// changes between two parts is sent again after the last part.
void subscription::next_part(update& out)
{
    auto const& table = tally_->table();
    auto s = *part_;
    for (; s < table.end(); ++s) {
        if (!table.used(s) || table.is_zero(s)) continue;
        if (out.items.size() == tally_->bounds().max_keys_in_message) break;
        out.items.push_back({s, 0});
    }
    out.revision = part_revision_;
    out.more = s < table.end();
    if (out.more) {
        part_ = s;
    } else {
        part_.reset();
        sent_ = part_revision_;
        changes_sent_ = part_changes_;
    }
}

void subscription::all_of_named(update& out)
{
    clear_marks();
    for (std::uint32_t index = 0; index < keys_.size(); ++index) {
        if (keys_[index].used()) out.items.push_back(item_of(index));
    }
    out.revision = sent_ = tally_->revision();
}

// The keys tracked since the last snapshot. Every tracked key was sent up to the message's revision, so that a client
// that resumes from it misses nothing. If changes of other keys wait, the revision is older than the values.
void subscription::next_fresh(update& out)
{
    out.what = update::kind::snapshot;
    state_sent_ = tally_->state_changes();
    for (auto const index : fresh_) {
        remove(dirty_, &tracked_key::dirty, index);
        out.items.push_back(item_of(index));
    }
    clear(fresh_, &tracked_key::fresh);
    if (dirty_.empty()) sent_ = tally_->revision();
    out.revision = sent_;
}

bool subscription::next_state(update& out)
{
    if (state_sent_ == tally_->state_changes()) return false;
    state_sent_ = tally_->state_changes();
    out.what = update::kind::state;
    return true;
}

void subscription::next_change(update& out, clock::time_point now)
{
    if (watch_ != nullptr) {
        conflated_ += watch_->version - version_sent_ - 1;
        put_answer(out);
    } else if (all_keys_) {
        if (sent_ < tally_->remembered_from() || !changed_since(sent_, out)) {
            out.items.clear();
            snapshot_due_ = true;
            next_snapshot(out);
            return;
        }
        conflated_ += tally_->changes() - changes_sent_ - 1;
        out.of_all_keys = true;
        out.from = sent_;
    } else {
        for (auto const index : dirty_) out.items.push_back(item_of(index));
        clear(dirty_, &tracked_key::dirty);
    }
    out.what = update::kind::change;
    out.revision = sent_ = tally_->revision();
    changes_sent_ = tally_->changes();
    last_change_ = now;
}

// Whether the question has no answer yet. If it has one, it is up to date afterwards.
bool subscription::waits_for_answer()
{
    return !tally_->questions().answer_now(*watch_);
}

void subscription::put_answer(update& out) noexcept
{
    out.answered = watch_->now;
    out.rows = std::span{watch_->now->rows}.first(watch_->rows);
    out.revision = sent_ = tally_->revision();
    out.from = version_sent_ = watch_->version;
}

}  // namespace pgtally::cache
