#include "readers.hpp"

#include <algorithm>

namespace pgtally::lab {

std::vector<std::unique_ptr<way_to_read>> ways_to_read(laboratory& lab, reading_options const& chosen)
{
    auto all = ways_by_sql(lab, chosen);
    all.push_back(way_by_http(lab, chosen));
    all.push_back(way_by_replica(lab, chosen));
    auto const& names = chosen.ways;
    std::erase_if(all,
                  [&](auto const& way) { return std::find(names.begin(), names.end(), way->name()) == names.end(); });
    return all;
}

}  // namespace pgtally::lab
