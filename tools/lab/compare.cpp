#include "compare.hpp"

#include <numeric>

namespace pgtally::lab {

std::int64_t comparison::of(std::int64_t messageid) const
{
    auto const found = by_message.find(messageid);
    return found == by_message.end() ? 0 : found->second;
}

comparison compare(std::vector<count> const& said, std::int64_t first, std::vector<std::int64_t> const& acknowledged)
{
    comparison found;
    for (auto const& [messageid, rts] : said) {
        if (messageid) found.by_message[*messageid] += rts;
        else found.rts += rts;
    }
    auto const all = std::accumulate(acknowledged.begin(), acknowledged.end(), std::int64_t{0});
    if (found.by_message.empty()) {
        found.exact = found.rts == all;
        return found;
    }
    found.exact = true;
    auto messageid = first;
    for (auto const expected : acknowledged) {
        auto const is = found.of(messageid++);
        found.rts += is;
        found.exact = found.exact && is == expected;
    }
    return found;
}

}  // namespace pgtally::lab
