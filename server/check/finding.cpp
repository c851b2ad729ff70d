#include <pgtally/server/check/finding.hpp>

#include <algorithm>

namespace pgtally::server {

bool all_good(findings const& all) noexcept
{
    return std::ranges::all_of(all, [](auto const& one) { return one.how_bad == finding::severity::note; });
}

std::string_view kind_of(finding const& one) noexcept
{
    return one.kind.empty() ? one.check : std::string_view{one.kind};
}

std::string_view word_of(finding::severity how_bad) noexcept
{
    switch (how_bad) {
        case finding::severity::error: return "error";
        case finding::severity::warning: return "warning";
        case finding::severity::note: return "note";
    }
    return "error";
}

}  // namespace pgtally::server
