#include <pgtally/cache/answers.hpp>

#include <pgtally/cache/subscription.hpp>

#include <boost/assert.hpp>

#include <algorithm>

namespace pgtally::cache {

answers::answers(counter_table const& table, std::vector<std::string> const& counters, limits const& bounds)
    : table_{table}, counters_{counters}, limits_{bounds}, rankings_{bounds.ranking_kept}
{
}

// Subscriptions

answers::watch& answers::join(question const& what, feed::member& who)
{
    auto const [at, is_new] = watches_.try_emplace(what, what);
    auto& found = at->second;
    if (is_new) enter(found);
    found.members.push_back(who);
    return found;
}

void answers::leave(watch& from, feed::member& who) noexcept
{
    who.asks.unlink();
    if (!from.members.empty()) return;
    exit(from);
    if (from.changed) std::erase(changed_, &from);
    watches_.erase(watches_.find(from.about));
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
    which.possible = at != counters_.end();
    if (!which.possible) return;
    which.counter = static_cast<std::size_t>(at - counters_.begin());
    if (rankings_.hold(which.counter)) begin_work();
    if (auto const* const asked = std::get_if<top_question>(&which.about)) {
        tops_[which.counter].by_limit.emplace(asked->limit, &which);
    } else {
        which.position = ranks_.size();
        ranks_.push_back(&which);
    }
}

void answers::exit(watch& which) noexcept
{
    if (counter_of(which.about) == nullptr || !which.possible) return;
    rankings_.release(which.counter);
    want_work();  // to drop the ranking in time
    if (auto const* const asked = std::get_if<top_question>(&which.about)) {
        auto const of = tops_.find(which.counter);
        of->second.by_limit.erase(asked->limit);
        if (of->second.by_limit.empty()) tops_.erase(of);
        return;
    }
    ranks_.back()->position = which.position;
    ranks_[which.position] = ranks_.back();
    ranks_.pop_back();
    next_rank_ = 0;
    ranks_left_ = ranks_left_ == 0 ? 0 : ranks_.size();
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

// Whether the rows that changed since the last answer may be in the list, or leave or enter it.
bool answers::concerns(std::size_t counter, top const& which) noexcept
{
    auto const highest = rankings_.take_highest_changed(counter);
    auto const limit = which.by_limit.rbegin()->first;
    auto const& rows = which.now.rows;
    bool const full = rows.size() >= which.limit;
    if (!which.known || (limit > which.limit && full)) return true;
    return highest && (!full || rows.empty() || *highest >= rows.back().counters[counter]);
}

void answers::answer_top(std::size_t counter, top& which)
{
    auto const* const order = rankings_.find(counter);
    if (order == nullptr || !concerns(counter, which)) return;
    auto const limit = which.by_limit.rbegin()->first;
    cache::answer_top(spare_, table_, *order, limit);
    auto const& was = which.now.rows;
    auto const& is = spare_.rows;
    auto const same = static_cast<std::size_t>(std::ranges::mismatch(was, is).in1 - was.begin());
    bool const all_same = same == was.size() && same == is.size();
    bool const first = !std::exchange(which.known, true);
    which.limit = limit;
    for (auto const& [its_limit, its] : which.by_limit) {
        if (first || (!all_same && its_limit > same)) differs(*its);
    }
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
    if (!std::exchange(which.changed, true)) changed_.push_back(&which);
}

// Questions without a subscription

ranking const* answers::ranked(std::size_t counter, clock::time_point now)
{
    if (rankings_.want(counter, now)) begin_work();
    return rankings_.find(counter);
}

// Turns

void answers::settle(feed& into)
{
    if (std::exchange(settled_, edition_) != edition_) ranks_left_ = ranks_.size();
    if (auto const sum = watches_.find(sum_question{}); sum != watches_.end()) answer_own(sum->second);
    for (auto& [counter, each] : tops_) answer_top(counter, each);
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
    for (auto& [about, each] : watches_) enter(each);
    ++edition_;
}

}  // namespace pgtally::cache
