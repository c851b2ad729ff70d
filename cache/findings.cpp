#include <pgtally/cache/findings.hpp>

#include <algorithm>

namespace pgtally {

namespace {

findings without(findings const& these, findings const& those)
{
    findings out;
    for (auto const& each : these) {
        if (std::ranges::find(those, each) == those.end()) out.push_back(each);
    }
    return out;
}

}  // namespace

findings_news news_of(findings const& before, findings const& now)
{
    return {without(now, before), without(before, now)};
}

}  // namespace pgtally
