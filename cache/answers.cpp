#include <pgtally/cache/answers.hpp>

#include <pgtally/cache/subscription.hpp>

#include <boost/assert.hpp>

#include <algorithm>

namespace pgtally::cache {

answers::answers(counter_table const& table, std::vector<std::string> const& counters, std::uint64_t const& last_change,
                 limits const& bounds)
    : table_{table}, counters_{counters}, last_change_{last_change}, limits_{bounds}, rankings_{bounds.ranking_kept}
{
}

// Subscriptions

answers::watch& answers::join(question const& what, feed::member& who)
{
    auto const [at, is_new] = watches_.try_emplace(what, what);
    auto& found = at->second;
    if (is_new) enter(found);
    if (!found.followed) follow(found);
    found.members.push_back(who);
    return found;
}

void answers::leave(watch& from, feed::member& who) noexcept
{
    who.asks.unlink();
    if (!from.members.empty()) return;
    unfollow(from);
    auto const* const asked = std::get_if<top_question>(&from.about);
    if (asked == nullptr || !from.possible) return forget(from);
    auto& its = tops_.at(from.counter);
    if (its.by_limit.size() - its.followed > limits_.max_tops_remembered) forget_one(its);
}

// Begins to answer a question by the present definition.
void answers::enter(watch& which)
{
    auto const* const by = counter_of(which.about);
    which.now = nullptr;
    which.answered = 0;
    which.possible = true;
    if (by == nullptr) return;
    auto const at = std::ranges::find(counters_, *by);
    auto const* const rank = std::get_if<rank_question>(&which.about);
    which.possible = at != counters_.end() && (rank == nullptr || parse_key(table_.kind(), rank->key));
    if (!which.possible) return;
    which.counter = static_cast<std::size_t>(at - counters_.begin());
    auto const* const asked = std::get_if<top_question>(&which.about);
    if (asked == nullptr) return;
    auto& its = tops_[which.counter];
    its.by_limit.emplace(asked->limit, &which);
    which.changed_at = last_change_;
}

void answers::follow(watch& which)
{
    which.followed = true;
    if (counter_of(which.about) == nullptr || !which.possible) return;
    if (rankings_.hold(which.counter)) begin_work();
    if (std::holds_alternative<top_question>(which.about)) {
        ++tops_.at(which.counter).followed;
    } else {
        which.position = ranks_.size();
        ranks_.push_back(&which);
    }
}

void answers::unfollow(watch& which) noexcept
{
    which.followed = false;
    if (counter_of(which.about) == nullptr || !which.possible) return;
    rankings_.release(which.counter);
    want_work();  // to drop the ranking in time
    if (std::holds_alternative<top_question>(which.about)) {
        --tops_.at(which.counter).followed;
        return;
    }
    ranks_.back()->position = which.position;
    ranks_[which.position] = ranks_.back();
    ranks_.pop_back();
    next_rank_ = 0;
    ranks_left_ = ranks_left_ == 0 ? 0 : ranks_.size();
}

// Precondition: no subscription follows it.
void answers::forget(watch& which) noexcept
{
    if (auto const* const asked = std::get_if<top_question>(&which.about); asked != nullptr && which.possible) {
        auto const of = tops_.find(which.counter);
        of->second.by_limit.erase(asked->limit);
        if (of->second.by_limit.empty()) tops_.erase(of);
    }
    if (which.changed) std::erase(changed_, &which);
    watches_.erase(watches_.find(which.about));
}

void answers::forget_one(top& of) noexcept
{
    auto const idle = std::ranges::find_if(of.by_limit, [](auto const& each) { return !each.second->followed; });
    if (idle != of.by_limit.end()) forget(*idle->second);
}

bool answers::answer_now(watch& which)
{
    if (!which.possible) return false;
    if (!std::holds_alternative<top_question>(which.about)) return answer_own(which);
    auto& its = tops_.at(which.counter);
    answer_top(which.counter, its);
    if (!its.known) return false;
    which.now = &its.now;
    which.rows = std::min(std::get<top_question>(which.about).limit, its.now.rows.size());
    return true;
}

// Whether the first `limit` rows may differ from those of the list, or may have been others in between.
bool answers::may_differ(top const& which, std::size_t counter, std::size_t limit, std::optional<std::int64_t> highest)
{
    if (!which.known) return true;
    auto const& rows = which.now.rows;
    if (limit <= rows.size()) return highest && *highest >= rows[limit - 1].counters[counter];
    bool const has_all = rows.size() < which.limit;
    return highest || !has_all;
}

void answers::answer_top(std::size_t counter, top& which)
{
    auto const* const order = rankings_.find(counter);
    if (order == nullptr) return;
    auto const highest = rankings_.take_highest_changed(counter);
    auto const limit = which.by_limit.rbegin()->first;
    if (!may_differ(which, counter, limit, highest)) return;
    cache::answer_top(spare_, table_, *order, limit);
    auto const& was = which.now.rows;
    auto const& is = spare_.rows;
    auto const same = static_cast<std::size_t>(std::ranges::mismatch(was, is).in1 - was.begin());
    bool const all_same = same == was.size() && same == is.size();
    for (auto const& [its_limit, its] : which.by_limit) {
        if (may_differ(which, counter, its_limit, highest)) its->changed_at = last_change_;
        if (!which.known || (!all_same && its_limit > same)) differs(*its);
    }
    which.known = true;
    which.limit = limit;
    std::swap(which.now, spare_);
}

// The answer to a question that shares its answer with no other one.
bool answers::answer_own(watch& which)
{
    if (which.answered == edition_) return which.now != nullptr;
    if (auto const* const asked = std::get_if<rank_question>(&which.about)) {
        auto const* const order = rankings_.find(which.counter);
        if (order == nullptr) return false;
        auto const k = parse_key(table_.kind(), asked->key).value_or(key{});
        answer_rank(spare_, table_, *order, k, asked->around);
    } else {
        answer_sum(spare_, table_);
    }
    which.answered = edition_;
    if (which.now == nullptr || spare_ != which.own) differs(which);
    std::swap(which.own, spare_);
    which.now = &which.own;
    which.rows = which.own.rows.size();
    return true;
}

void answers::differs(watch& which)
{
    ++which.version;
    which.changed_at = last_change_;
    if (!std::exchange(which.changed, true)) changed_.push_back(&which);
}

// Questions without a subscription

ranking const* answers::ranked(std::size_t counter, clock::time_point now)
{
    if (rankings_.want(counter, now)) begin_work();
    return rankings_.find(counter);
}

answers::watch const* answers::recall(top_question const& what, clock::time_point now)
{
    auto const named = std::ranges::find(counters_, what.by);
    auto const counter = static_cast<std::size_t>(named - counters_.begin());
    if (named == counters_.end() || ranked(counter, now) == nullptr) return nullptr;
    auto const [at, is_new] = watches_.try_emplace(what, what);
    auto& found = at->second;
    if (is_new) {
        auto& others = tops_[counter];
        if (others.by_limit.size() - others.followed >= limits_.max_tops_remembered) forget_one(others);
        enter(found);
    }
    return answer_now(found) ? &found : nullptr;
}

// Turns

void answers::settle(feed& into)
{
    if (std::exchange(settled_, edition_) != edition_) ranks_left_ = ranks_.size();
    if (auto const sum = watches_.find(sum_question{}); sum != watches_.end()) answer_own(sum->second);
    for (auto& [counter, each] : tops_) {
        if (each.followed > 0) answer_top(counter, each);
    }
    for (auto n = std::min(ranks_left_, limits_.max_ranks_settled); n > 0; --n, --ranks_left_) {
        next_rank_ = next_rank_ < ranks_.size() ? next_rank_ : 0;
        answer_own(*ranks_[next_rank_++]);
    }
    for (auto* const each : std::exchange(changed_, {})) {
        each->changed = false;
        for (auto& member : each->members) into.wake(*member.who);
    }
    if (has_work()) want_work();
}

// The first slice at once: most tallies need no other.
void answers::begin_work()
{
    work();
    want_work();
}

bool answers::work()
{
    bool const completed = rankings_.build_more(table_, limits_.max_rows_ranked);
    if (completed) ++edition_;
    return completed;
}

void answers::tidy(clock::time_point now) noexcept
{
    rankings_.tidy(now);
    for (auto each = tops_.begin(); each != tops_.end();) {
        auto& its = (each++)->second;
        auto const counter = its.by_limit.begin()->second->counter;
        if (rankings_.has(counter)) continue;
        for (auto left = its.by_limit.size(); left > 0; --left) forget_one(its);
    }
}

// Changes of the table

void answers::all_zero() noexcept
{
    rankings_.all_zero();
    ++edition_;
}

void answers::table_replaced()
{
    rankings_.table_replaced();
    for (auto& [counter, each] : tops_) each.known = false;
    for (auto& [about, each] : watches_) {
        each.now = nullptr;
        each.answered = 0;
    }
    ++edition_;
    if (rankings_.building()) begin_work();
}

void answers::counters_replaced()
{
    rankings_.counters_replaced();
    tops_.clear();
    ranks_.clear();
    next_rank_ = ranks_left_ = 0;
    std::erase_if(watches_, [](auto const& each) { return !each.second.followed; });
    for (auto& [about, each] : watches_) {
        enter(each);
        follow(each);
    }
    ++edition_;
}

}  // namespace pgtally::cache
