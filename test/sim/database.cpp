#include "database.hpp"

#include <algorithm>
#include <utility>

namespace pgtally::sim {

database::database(options chosen, std::span<sums const> rows) : options_{chosen}, initial_(rows.begin(), rows.end())
{
    constexpr std::uint64_t frozen = 3;
    for (std::size_t tally = 0; tally < options_.tallies; ++tally) {
        tables_[tally].now = options_.first[tally];
        for (std::size_t key = 0; key < key_count; ++key) {
            if (rows[tally][key] != numbers{}) tables_[tally].file.push_back({frozen, key, rows[tally][key]});
        }
        for (auto& each : streams_) {
            each.told_as[tally] = options_.first[tally];
            each.told[tally] = rows[tally];
            each.truth_before[tally] = each.truth_told[tally] = fingerprint(each.told_as[tally], each.told[tally]);
        }
    }
}

// Reading
// ---------------------------------------------------------------------------------------------------------------

std::string database::what_source_is(std::size_t tally) const
{
    return std::to_string(tables_[tally].is) + (tables_[tally].untriggered ? " without triggers" : "");
}

snapshot database::look() const
{
    snapshot result;
    result.xmin = result.xmax = last_completed_ + 1;
    for (auto const& s : sessions_) {
        if (s.at == session::phase::idle || s.xid >= result.xmax) continue;
        result.running.push_back(s.xid);
        result.xmin = std::min(result.xmin, s.xid);
    }
    std::sort(result.running.begin(), result.running.end());
    return result;
}

sums database::truth(std::size_t tally, snapshot const& as_of) const
{
    sums result{};
    for (auto const& each : tables_[tally].file) {
        if (as_of.sees(each.xid)) result[each.key] = result[each.key] + each.delta;
    }
    return result;
}

std::uint64_t database::draw()
{
    last_completed_ = std::max(last_completed_, next_xid_);
    return next_xid_++;
}

bool database::share(std::size_t tally)
{
    for (auto const& s : sessions_) {
        if (s.held[tally].owns) return false;
    }
    ++tables_[tally].shared;
    return true;
}

std::uint64_t database::truth_at(std::size_t by, std::size_t tally, std::size_t position) const noexcept
{
    auto const& of = streams_[by];
    return position == 0 ? of.truth_before[tally] : of.entries[position - 1].truth[tally];
}

bool database::lock_kept(std::size_t tally)
{
    return !std::exchange(tables_[tally].kept_locked, true);
}

bool database::keep(std::size_t tally, kept_table const& what)
{
    auto& of = tables_[tally];
    for (std::size_t key = 0; key < key_count; ++key) {
        if (what[key] && refuses(key, *what[key])) return false;
    }
    of.kept_before = of.kept;
    for (std::size_t key = 0; key < key_count; ++key) {
        if (what[key]) of.kept[key] = what[key];
    }
    return true;
}

// Telling
// ---------------------------------------------------------------------------------------------------------------

// A notifying commit waits for the one before it.
bool database::may_send(std::size_t by) const noexcept
{
    return by == wal || std::ranges::none_of(sessions_, [](session const& s) {
               return s.at == session::phase::flushed && s.notifies();
           });
}

bool database::send(std::size_t by, std::string text)
{
    if (!may_send(by)) return false;
    draw();
    append(streams_[by], std::move(text), true);
    return true;
}

// By the tally's transport the payload looks like a trigger's event; by the other transport it has no effect.
void database::forge(std::size_t by, std::size_t tally, changed_key const& what)
{
    auto const x = next_xid_;
    auto const& as = tables_[tally].now;
    if (!as.exists || !send(by, deltas_text(tally, as, x, 1, {&what, 1})) || by != as.by) return;
    streams_[by].entries.back().forged = x;
    streams_[by].entries.back().forged_for = tally;
}

void database::send_reload(std::size_t tally)
{
    auto const& as = tables_[tally].now;
    if (as.exists) send(as.by, simple_text(tally, as, draw(), next_n(), "reload"));
}

void database::append(told_stream& to, std::string text, bool ends) const
{
    to.entries.push_back({std::move(text), ends, to.truth_told, 0, 0, false});
}

void database::tell(std::size_t by, committed const& work, bool received)
{
    auto& to = streams_[by];
    std::size_t left = work.messages.size();
    for (auto const& each : work.messages) {
        for (auto const& deed : each.tells) {
            auto& told = to.told[deed.tally];
            switch (deed.what) {
                case deed::kind::row:
                case deed::kind::unseen: told[deed.key] = told[deed.key] + deed.delta; break;
                case deed::kind::truncate: told = {}; break;
                case deed::kind::rewrite: break;
                case deed::kind::define: to.told_as[deed.tally] = deed.becomes; break;
            }
        }
        to.truth_told[each.tally] = fingerprint(to.told_as[each.tally], to.told[each.tally]);
        bool const comes = received && each.by[by];
        append(to, comes ? each.text : std::string{}, --left == 0);
        if (each.unseen) {
            to.entries.back().forged = work.xid;
            to.entries.back().forged_for = each.tally;
            to.entries.back().unseen = true;
        }
        if (comes && to.told_as[each.tally].by == by) last_writes_[each.tally] = {work.xid, by, to.entries.size()};
    }
}

// Faults
// ----------------------------------------------------------------------------------------------------------------

void database::crash()
{
    for (auto& s : sessions_) {
        if (s.at == session::phase::flushed) {
            do_to_table(s.work);
            tell(notify, s.work, false);  // no listener is left
            last_completed_ = std::max(last_completed_, s.last_id);
        }
        s = {};
    }
    for (auto& each : tables_) {
        each.shared = 0;
        each.kept_locked = false;
    }
    next_xid_ = last_completed_ + 1;
    for (auto& each : streams_) each.first = each.entries.size();
    ++life_;
}

void database::stop()
{
    crash();
    up_ = false;
}

std::unique_ptr<database> database::promoted(std::size_t missing) const
{
    auto result = std::make_unique<database>(options_, initial_);
    std::size_t const kept = history_.size() - std::min(missing, history_.size());
    for (std::size_t i = 0; i < kept; ++i) {
        auto const& work = history_[i];
        result->do_to_table(work);
        for (auto const by : {notify, wal}) result->tell(by, work, false);
        result->history_.push_back(work);
        result->next_xid_ = std::max(result->next_xid_, work.xid + 1);
    }
    for (auto& each : result->streams_) {
        each.entries.clear();
        each.truth_before = each.truth_told;
    }
    result->last_completed_ = result->next_xid_ - 1;
    result->n_ = n_;
    for (std::size_t tally = 0; tally < options_.tallies; ++tally) {
        result->tables_[tally].lost = missing == 0 && tables_[tally].lost;
        result->tables_[tally].untriggered = missing == 0 && tables_[tally].untriggered;
        result->tables_[tally].kept = missing == 0 ? tables_[tally].kept : tables_[tally].kept_before;
    }
    return result;
}

}  // namespace pgtally::sim
