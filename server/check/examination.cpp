#include <pgtally/server/check/examination.hpp>

#include <utility>

namespace pgtally::server {

void examination::saw(std::string_view group, std::string seen, std::size_t only)
{
    groups.push_back({.group = group, .seen = std::move(seen), .only = only});
}

void examination::saw_tally(std::string tally, std::string seen, std::size_t only)
{
    groups.push_back({.group = "tally", .tally = std::move(tally), .seen = std::move(seen), .only = only});
}

void examination::skipped(std::string_view group, std::string why)
{
    groups.push_back({.group = group, .skipped = std::move(why)});
}

}  // namespace pgtally::server
