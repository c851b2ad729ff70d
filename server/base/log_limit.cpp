#include <pgtally/server/base/log_limit.hpp>

#include <fmt/format.h>

namespace pgtally::server {

bool log_limit::admit(std::string_view kind, std::string_view line, clock::time_point now)
{
    auto const same = lines_.find(line);
    if (same != lines_.end() && now < same->second.until) {
        ++same->second.skipped;
        return false;
    }
    auto const of_kind = kinds_.find(kind);
    bool const known = of_kind != kinds_.end() && now < of_kind->second.until;
    if (known && of_kind->second.lines >= bounds_.per_kind) {
        ++of_kind->second.skipped;
        return false;
    }
    if (known) ++of_kind->second.lines;
    else if (kinds_.size() < bounds_.most) kinds_[std::string{kind}] = {now + bounds_.window, 1, 0};
    if (lines_.size() < bounds_.most) lines_[std::string{line}] = {now + bounds_.window, 1, 0};
    return true;
}

void log_limit::report(counts& from, clock::time_point now, std::string_view what, std::vector<std::string>& into)
{
    for (auto at = from.begin(); at != from.end();) {
        if (now < at->second.until) {
            ++at;
            continue;
        }
        if (at->second.skipped > 0)
            into.push_back(fmt::format("{} more times{}: {}", at->second.skipped, what, at->first));
        at = from.erase(at);
    }
}

std::vector<std::string> log_limit::due(clock::time_point now)
{
    std::vector<std::string> out;
    report(lines_, now, "", out);
    report(kinds_, now, " with other values", out);
    return out;
}

}  // namespace pgtally::server
