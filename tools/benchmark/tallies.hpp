#pragma once

#include <pgtally/cache/tally.hpp>

#include <memory>
#include <stdexcept>

namespace pgtally::bench {

/// A live tally `tweets` with the counters `rts` and `favs` and the rows that `fill` adds.
template <class Fill>
std::unique_ptr<cache::tally> make_tally(Fill fill)
{
    cache::definition const what{"tweets", "tweet.activity", "bigint", {"rts", "favs"}, {}, "tweets"};
    auto made = std::make_unique<cache::tally>(what, cache::limits{});
    made->begin_load();
    if (made->set_fence(*cache::fence::parse("10:10:"))) throw std::logic_error("the fence was refused");
    fill(*made);
    made->await_barrier("a barrier");
    if (!made->barrier_back("a barrier")) throw std::logic_error("the load did not end");
    return made;
}

}  // namespace pgtally::bench
