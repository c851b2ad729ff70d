#include <pgtally/cache/rankings.hpp>

#include <boost/assert.hpp>

#include <algorithm>
#include <limits>
#include <utility>

namespace pgtally::cache {

rankings::one* rankings::find_one(std::size_t counter) const noexcept
{
    auto const at = std::ranges::find(all_, counter, [](auto const& each) { return each->counter; });
    return at == all_.end() ? nullptr : at->get();
}

rankings::one& rankings::find_or_begin(std::size_t counter, bool& begins)
{
    auto* known = find_one(counter);
    begins = known == nullptr;
    if (begins) {
        known = all_.emplace_back(std::make_unique<one>(counter)).get();
        ++building_;
    }
    return *known;
}

bool rankings::want(std::size_t counter, clock::time_point now)
{
    bool begins = false;
    find_or_begin(counter, begins).asked = now;
    return begins;
}

bool rankings::hold(std::size_t counter)
{
    bool begins = false;
    ++find_or_begin(counter, begins).holders;
    return begins;
}

void rankings::release(std::size_t counter) noexcept
{
    auto* const known = find_one(counter);
    BOOST_ASSERT(known != nullptr && known->holders > 0);
    if (--known->holders == 0) known->asked.reset();
}

ranking const* rankings::find(std::size_t counter) const noexcept
{
    auto const* const known = find_one(counter);
    return known != nullptr && known->complete ? &known->order : nullptr;
}

bool rankings::build_more(counter_table const& table, std::size_t rows)
{
    bool completed = false;
    for (auto const& each : all_) {
        if (each->complete) continue;
        for (; each->next < table.end() && rows > 0; ++each->next, --rows) {
            auto const s = each->next;
            if (table.used(s) && !table.is_zero(s)) each->order.insert(table, s, table.counters(s)[each->counter]);
        }
        if (each->next < table.end()) break;
        each->complete = completed = true;
        --building_;
    }
    return completed;
}

void rankings::tidy(clock::time_point now) noexcept
{
    for (auto const& each : all_) {
        if (each->holders == 0 && !each->asked) each->asked = now;
    }
    std::erase_if(all_, [&](auto const& each) {
        bool const idle = each->holders == 0 && now - *each->asked >= kept_;
        if (idle && !each->complete) --building_;
        return idle;
    });
}

rankings::clock::time_point rankings::due() const noexcept
{
    auto first = clock::time_point::max();
    for (auto const& each : all_) {
        if (each->holders > 0) continue;
        first = std::min(first, each->asked ? *each->asked + kept_ : clock::time_point::min());
    }
    return first;
}

std::optional<std::int64_t> rankings::take_highest_changed(std::size_t counter) noexcept
{
    auto* const known = find_one(counter);
    return known == nullptr ? std::nullopt : std::exchange(known->highest_changed, std::nullopt);
}

// What is not complete yet has the rows of some slots only; the others come with their value of that time.
void rankings::before(counter_table const& table, slot s)
{
    for (auto const& each : all_) {
        each->was = table.counters(s)[each->counter];
        each->was_ranked = (each->complete || s < each->next) && !table.is_zero(s);
    }
}

void rankings::after(counter_table const& table, slot s)
{
    for (auto const& each : all_) {
        auto const value = table.counters(s)[each->counter];
        bool const ranked = (each->complete || s < each->next) && !table.is_zero(s);
        if (each->was_ranked) each->highest_changed = std::max(each->highest_changed, std::optional{each->was});
        if (ranked) each->highest_changed = std::max(each->highest_changed, std::optional{value});
        if (ranked && each->was_ranked) {
            if (value != each->was) each->order.change(table, s, value);
        } else if (ranked) {
            each->order.insert(table, s, value);
        } else if (each->was_ranked) {
            each->order.erase(s);
        }
    }
}

void rankings::all_zero() noexcept
{
    for (auto const& each : all_) {
        if (each->order.size() > 0) each->highest_changed = std::numeric_limits<std::int64_t>::max();
        each->order = ranking{};
    }
}

void rankings::table_replaced() noexcept
{
    for (auto const& each : all_) {
        each->order = ranking{};
        each->next = 0;
        each->complete = false;
    }
    building_ = all_.size();
}

void rankings::counters_replaced() noexcept
{
    all_.clear();
    building_ = 0;
}

std::size_t rankings::memory_bytes() const noexcept
{
    std::size_t out = sizeof *this + all_.size() * sizeof(one);
    for (auto const& each : all_) out += each->order.memory_bytes();
    return out;
}

}  // namespace pgtally::cache
