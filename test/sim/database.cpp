#include "database.hpp"

#include <utility>

namespace pgtally::sim {

database::database(options chosen, std::span<sums const> rows) : options_{chosen}, initial_(rows.begin(), rows.end())
{
    constexpr std::uint64_t frozen = 3;
    for (std::size_t tally = 0; tally < options_.tallies; ++tally) {
        tables_[tally].now = told_as_[tally] = options_.first[tally];
        told_[tally] = rows[tally];
        for (std::size_t key = 0; key < key_count; ++key) {
            if (rows[tally][key] != numbers{}) tables_[tally].file.push_back({frozen, key, rows[tally][key]});
        }
        truth_before_[tally] = fingerprint(told_as_[tally], told_[tally]);
    }
    truth_told_ = truth_before_;
}

// Reading
// ---------------------------------------------------------------------------------------------------------------

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

std::uint64_t database::truth_at(std::size_t tally, std::size_t position) const noexcept
{
    return position == 0 ? truth_before_[tally] : stream_[position - 1].truth[tally];
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

bool database::send(std::string text)
{
    for (auto const& s : sessions_) {
        if (!options_.wal && s.at == session::phase::flushed && s.notifies()) return false;
    }
    draw();
    append(std::move(text), true);
    return true;
}

// Nothing tells it from a trigger's event.
void database::forge(std::size_t tally, changed_key const& what)
{
    auto const x = next_xid_;
    if (!tables_[tally].now.exists || !send(deltas_text(tally, tables_[tally].now, x, 1, {&what, 1}))) return;
    stream_.back().forged = x;
    stream_.back().forged_for = tally;
}

void database::send_reload(std::size_t tally)
{
    if (tables_[tally].now.exists) send(simple_text(tally, draw(), next_n(), "reload"));
}

void database::append(std::string text, bool ends)
{
    stream_.push_back({std::move(text), ends, truth_told_, 0, 0});
}

void database::tell(committed const& work, bool received)
{
    std::size_t left = work.messages.size();
    for (auto const& each : work.messages) {
        for (auto const& deed : each.tells) {
            auto& told = told_[deed.tally];
            switch (deed.what) {
                case deed::kind::row: told[deed.key] = told[deed.key] + deed.delta; break;
                case deed::kind::truncate: told = {}; break;
                case deed::kind::rewrite: break;
                case deed::kind::define: told_as_[deed.tally] = deed.becomes; break;
            }
        }
        truth_told_[each.tally] = fingerprint(told_as_[each.tally], told_[each.tally]);
        append(received ? each.text : std::string{}, --left == 0);
        if (received && !each.text.empty()) last_writes_[each.tally] = {work.xid, stream_.size()};
    }
}

// Faults
// ----------------------------------------------------------------------------------------------------------------

void database::crash()
{
    for (auto& s : sessions_) {
        if (s.at == session::phase::flushed) {
            do_to_table(s.work);
            if (!options_.wal) tell(s.work, false);  // by notify: nobody is left to hear of it
            last_completed_ = std::max(last_completed_, s.last_id);
        }
        s = {};
    }
    for (auto& each : tables_) {
        each.shared = 0;
        each.kept_locked = false;
    }
    next_xid_ = last_completed_ + 1;
    first_entry_ = stream_.size();
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
        result->tell(work, false);
        result->history_.push_back(work);
        result->next_xid_ = std::max(result->next_xid_, work.xid + 1);
    }
    result->stream_.clear();
    result->truth_before_ = result->truth_told_;
    result->last_completed_ = result->next_xid_ - 1;
    result->n_ = n_;
    for (std::size_t tally = 0; tally < options_.tallies; ++tally) {
        result->tables_[tally].lost = missing == 0 && tables_[tally].lost;
        result->tables_[tally].kept = missing == 0 ? tables_[tally].kept : tables_[tally].kept_before;
    }
    return result;
}

}  // namespace pgtally::sim
