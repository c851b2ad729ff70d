#include <pgtally/cache/look.hpp>

#include <algorithm>
#include <utility>

namespace pgtally {

namespace {

findings curable(findings const& all)
{
    findings out;
    std::ranges::copy_if(all, std::back_inserter(out), &finding::cured_by_reload);
    return out;
}

}  // namespace

look::entry* look::find(std::string_view name) noexcept
{
    auto const at = tallies_.find(name);
    return at == tallies_.end() ? nullptr : &at->second;
}

look::entry const* look::find(std::string_view name) const noexcept
{
    auto const at = tallies_.find(name);
    return at == tallies_.end() ? nullptr : &at->second;
}

void look::define(std::string const& name, std::uint64_t v)
{
    auto& of = tallies_[name];
    of.asked = of.asked || of.v != v;
    of.v = v;
}

void look::remove(std::string_view name)
{
    if (auto const at = tallies_.find(name); at != tallies_.end()) tallies_.erase(at);
}

void look::connected() noexcept
{
    for (auto& [name, of] : tallies_) {
        of.asked = true;
        of.tried.reset();
    }
}

void look::ask(std::string_view name) noexcept
{
    if (auto* const of = find(name)) of->asked = true;
}

// Looks

std::vector<std::string> look::asks(std::vector<looked_tally> const& rows) const
{
    std::vector<std::string> out;
    for (auto const& row : rows) {
        auto const* const of = find(row.name);
        if (of == nullptr) continue;
        if (of->asked || !of->found.empty() || of->seen != row.fingerprint || of->v != row.v) out.push_back(row.name);
    }
    return out;
}

look::change look::take(std::uint64_t number, std::vector<looked_tally> const& rows)
{
    change out;
    for (auto const& [name, of] : tallies_) {
        if (std::ranges::find(rows, name, &looked_tally::name) == rows.end()) out.definitions = true;
    }
    for (auto const& row : rows) {
        auto* const of = find(row.name);
        if (of == nullptr || of->v != row.v) out.definitions = true;
        if (of == nullptr) continue;
        of->asked = of->asked || of->seen != row.fingerprint;
        of->seen = row.fingerprint;
        auto const known = of->reading.empty() ? of->served : of->reading;
        if (of->read_at > number || known.empty() || known == row.fingerprint) continue;
        if (std::exchange(of->requested, row.fingerprint) != row.fingerprint) out.reload.push_back(row.name);
    }
    return out;
}

findings_news look::take_findings(std::string_view name, findings all, bool may_repair)
{
    auto* const of = find(name);
    if (of == nullptr) return {};
    auto news = news_of(of->found, all);
    of->found = std::move(all);
    of->asked = false;
    of->may_repair = may_repair;
    if (curable(of->found).empty()) of->tried.reset();
    return news;
}

findings const& look::found(std::string_view name) const noexcept
{
    static findings const none;
    auto const* const of = find(name);
    return of == nullptr ? none : of->found;
}

std::optional<finding> look::failure(std::string_view name) const
{
    auto const& all = found(name);
    auto const at = std::ranges::find_if(all, &finding::fails);
    return at == all.end() ? std::nullopt : std::optional{*at};
}

// Loads

void look::load_reads(std::string_view name, std::string fingerprint)
{
    auto* const of = find(name);
    if (of == nullptr) return;
    of->reading = std::move(fingerprint);
    of->read_at = ++clock_;
}

void look::load_ends(std::string_view name, bool served)
{
    auto* const of = find(name);
    if (of == nullptr || of->reading.empty()) return;
    auto read = std::exchange(of->reading, {});
    if (!served) return;  // the schedule wants another load, so the change for which one was requested is not forgotten
    of->served = std::move(read);
    of->requested.clear();
}

// Repairs

std::optional<look::time_point> look::repair_due(entry const& of) noexcept
{
    if (of.asked) return std::nullopt;  // what was found may be cured
    auto const todo = curable(of.found);
    if (todo.empty() || !of.may_repair) return std::nullopt;
    auto const at = std::max(of.not_before, of.repairs.ready());
    return of.tried == todo ? std::max(at, of.same_not_before) : at;
}

void look::has_tried(entry& of, time_point now)
{
    auto todo = curable(of.found);
    of.same_pause = of.tried == todo ? std::min(of.same_pause * 2, longest_same_pause) : first_same_pause;
    of.same_not_before = now + of.same_pause;
    of.tried = std::move(todo);
    of.repairs.done(now);
}

std::optional<std::string> look::repair(time_point now) const
{
    for (auto const& [name, of] : tallies_) {
        auto const at = repair_due(of);
        if (at && *at <= now) return name;
    }
    return std::nullopt;
}

look::time_point look::repair_at() const noexcept
{
    auto result = time_point::max();
    for (auto const& [name, of] : tallies_) {
        if (auto const at = repair_due(of)) result = std::min(result, *at);
    }
    return result;
}

void look::repaired(std::string_view name, time_point now)
{
    auto* const of = find(name);
    if (of == nullptr) return;
    of->pause = {};
    of->not_before = time_point::min();
    of->asked = true;
    has_tried(*of, now);
}

void look::repair_failed(std::string_view name, bool transient, time_point now)
{
    auto* const of = find(name);
    if (of == nullptr) return;
    if (!transient) return has_tried(*of, now);
    of->pause =
        std::clamp(of->pause * 2, std::chrono::seconds{first_repair_pause}, std::chrono::seconds{longest_repair_pause});
    of->not_before = now + of->pause;
}

}  // namespace pgtally
