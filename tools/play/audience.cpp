#include "audience.hpp"

#include <boost/assert.hpp>

#include <algorithm>

namespace pgtally::play {

char const* name_of(action what) noexcept
{
    switch (what) {
        case action::rt: return "rt";
        case action::fav: return "fav";
        case action::de_rt: return "de-rt";
        case action::de_fav: return "de-fav";
    }
    return "";
}

audience::audience(std::uint64_t seed, audience_habits habits)
    : habits_(habits), random_(seed), popularity_(habits.exponent)
{
}

// The distributions of the standard library differ between implementations, so a seed would not repeat a run.
double audience::draw()
{
    return static_cast<double>(random_() >> 11U) * 0x1p-53;
}

void audience::hear()
{
    auto const place = static_cast<std::ptrdiff_t>(draw() * static_cast<double>(order_.size() + 1));
    order_.insert(order_.begin() + place, given_.size());
    given_.emplace_back();
}

std::uint64_t& audience::count(act const& what)
{
    auto& of = given_[what.message];
    return what.what == action::rt || what.what == action::de_rt ? of.rts : of.favs;
}

act audience::next()
{
    BOOST_ASSERT(!order_.empty());
    act chosen;
    chosen.message = order_[popularity_.place(draw(), order_.size())];
    chosen.what = draw() < habits_.likes ? action::fav : action::rt;
    bool const takes_back = draw() < habits_.take_backs;
    if (auto& there = count(chosen); takes_back && there > 0) {
        --there;
        chosen.what = chosen.what == action::fav ? action::de_fav : action::de_rt;
    }
    young_.push_back(chosen);
    while (young_.size() > habits_.age) {
        auto const& grown = young_.front();
        if (grown.what == action::fav || grown.what == action::rt) ++count(grown);
        young_.pop_front();
    }
    return chosen;
}

void audience::failed(act const& what)
{
    // Removes the oldest one of its kind. So the remaining ones look younger than they are, never older.
    if (auto const found = std::find(young_.begin(), young_.end(), what); found != young_.end()) {
        young_.erase(found);
        return;
    }
    bool const gave = what.what == action::fav || what.what == action::rt;
    if (auto& there = count(what); gave && there > 0) --there;
}

}  // namespace pgtally::play
