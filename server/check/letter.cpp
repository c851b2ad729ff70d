#include <pgtally/server/check/aspects.hpp>
#include <pgtally/server/check/letter.hpp>

#include <algorithm>

namespace pgtally::server {

namespace {

bool is_of(finding const& one, looked_at const& group) noexcept
{
    if (group_of(one) != group.group) return false;
    return group.group != "tally" || one.tally == group.tally;
}

letter_group arrange(examination const& all, looked_at const& what)
{
    letter_group out;
    out.what = what;
    for (auto const& one : all.found) {
        if (is_of(one, what)) out.found.push_back(&one);
    }
    if (!what.skipped.empty()) return out;
    for (auto const& each : aspects_of(all.of)) {
        if (each.group != what.group || out.aspects.size() == what.only) continue;
        out.aspects.push_back(each.name);
        bool const bad = std::ranges::any_of(
            out.found, [&](auto const* one) { return one->how_bad != finding::severity::note && belongs(*one, each); });
        if (!bad) ++out.passed;
    }
    return out;
}

}  // namespace

bool all_good(examinations const& all) noexcept
{
    return std::ranges::all_of(all, [](auto const& each) { return all_good(each.found); });
}

std::vector<letter_group> groups_of(examination const& all)
{
    std::vector<letter_group> out;
    for (auto const& what : all.groups) out.push_back(arrange(all, what));
    for (auto const& one : all.found) {
        if (std::ranges::any_of(out, [&](auto const& group) { return is_of(one, group.what); })) continue;
        // Nobody said that it was looked at as a whole.
        looked_at what{.group = group_of(one), .only = 0};
        if (what.group == "tally") what.tally = one.tally;
        out.push_back(arrange(all, what));
    }
    return out;
}

letter_counts count(examinations const& all)
{
    letter_counts out;
    for (auto const& each : all) {
        for (auto const& one : each.found) {
            switch (one.how_bad) {
                case finding::severity::error: ++out.faults; break;
                case finding::severity::warning: ++out.warnings; break;
                case finding::severity::note: ++out.notes; break;
            }
        }
        for (auto const& group : groups_of(each)) {
            out.passed += group.passed;
            if (!group.what.skipped.empty()) ++out.skipped;
        }
    }
    return out;
}

}  // namespace pgtally::server
