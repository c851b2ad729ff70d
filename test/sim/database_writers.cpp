// The statements of writers.

#include "database.hpp"

#include <algorithm>
#include <utility>

namespace pgtally::sim {

session& database::begin(std::size_t who)
{
    auto& s = sessions_[who];
    if (s.at == session::phase::idle) {
        s.at = session::phase::active;
        s.xid = s.last_id = s.work.xid = next_xid_++;
    } else if (!s.savepoints.empty()) {
        s.last_id = next_xid_++;  // a subtransaction's own
    }
    return s;
}

// Whether `who` gets a lock on the source at once: no other session has an exclusive lock or a writer's.
bool database::free_for(std::size_t who, std::size_t tally, bool exclusive) const noexcept
{
    if (sessions_[who].at == session::phase::flushed) return false;
    for (std::size_t other = 0; other < session_count; ++other) {
        auto const& held = sessions_[other].held[tally];
        if (other != who && (held.owns || held.defines || (exclusive && held.writes))) return false;
    }
    return true;
}

meaning const& database::seen_by(session const& s, std::size_t tally) const noexcept
{
    for (auto at = s.work.deeds.rbegin(); at != s.work.deeds.rend(); ++at) {
        if (at->what == deed::kind::define && at->tally == tally) return at->becomes;
    }
    return tables_[tally].now;
}

void database::add_message(session& s, std::size_t tally, std::string text, std::vector<deed> tells)
{
    std::array<bool, transport_count> by{};
    auto const& as = seen_by(s, tally);
    bool const defines = !tells.empty() && tells.front().what == deed::kind::define;
    if (!text.empty()) by[as.by] = true;
    if (defines) by[notify] = by[tables_[tally].now.by] = true;
    // Without triggers nothing is told of rows.
    bool const unseen = tables_[tally].untriggered && as.exists && !defines && !text.empty();
    if (unseen) by = {};
    s.work.messages.push_back({std::move(text), by, tally, std::move(tells), unseen});
}

// One statement: the trigger sums per key, omits keys whose sums are 0, and sends as many events as needed.
bool database::write(std::size_t who, std::size_t tally, std::span<changed_key const> keys)
{
    constexpr std::size_t keys_in_event = 2;
    if (!free_for(who, tally, false)) return false;
    auto& s = begin(who);
    s.held[tally].writes = true;
    auto const as = seen_by(s, tally);
    std::vector<changed_key> some;
    std::vector<deed> tells;
    auto const send = [&] {
        std::string text;
        if (as.exists && !some.empty()) text = deltas_text(tally, as, s.xid, next_n(), some);
        add_message(s, tally, std::move(text), std::exchange(tells, {}));
        some.clear();
    };
    for (auto const& each : keys) {
        s.work.deeds.push_back({deed::kind::row, tally, each.key, each.delta, {}});
        tells.push_back(s.work.deeds.back());
        if (as.counters(each.delta) != numbers{}) some.push_back(each);
        if (some.size() == keys_in_event) send();
    }
    if (!tells.empty()) send();
    return true;
}

bool database::write_unseen(std::size_t who, std::size_t tally, changed_key const& what)
{
    if (!free_for(who, tally, false)) return false;
    auto& s = begin(who);
    s.held[tally].writes = true;
    s.work.deeds.push_back({deed::kind::row, tally, what.key, what.delta, {}});
    auto const as = seen_by(s, tally);
    add_message(s, tally, as.exists ? simple_text(tally, as, s.xid, next_n(), "reload") : std::string{},
                {s.work.deeds.back()});
    return true;
}

bool database::write_uncounted(std::size_t who, std::size_t tally, changed_key const& what, bool broken)
{
    if (!free_for(who, tally, false)) return false;
    auto& s = begin(who);
    s.held[tally].writes = true;
    s.work.deeds.push_back({deed::kind::row, tally, what.key, what.delta, {}});
    auto const as = seen_by(s, tally);
    auto const text = broken ? broken_text(tally, as, s.xid, next_n()) : misfit_text(tally, as, s.xid, next_n());
    add_message(s, tally, as.exists ? text : std::string{}, {s.work.deeds.back()});
    return true;
}

bool database::truncate(std::size_t who, std::size_t tally)
{
    if (!free_for(who, tally, true) || tables_[tally].shared > 0) return false;
    auto& s = begin(who);
    s.held[tally].owns = true;
    s.work.deeds.push_back({deed::kind::truncate, tally, 0, {}, {}});
    auto const as = seen_by(s, tally);
    add_message(s, tally, as.exists ? simple_text(tally, as, s.xid, next_n(), "truncate") : std::string{},
                {s.work.deeds.back()});
    return true;
}

bool database::rewrite(std::size_t who, std::size_t tally)
{
    if (!free_for(who, tally, true) || tables_[tally].shared > 0) return false;
    auto& s = begin(who);
    s.held[tally].owns = true;
    s.work.deeds.push_back({deed::kind::rewrite, tally, 0, {}, {}});
    return true;
}

bool database::define(std::size_t who, std::size_t tally, meaning const& what)
{
    if (tables_[tally].lost || !free_for(who, tally, true)) return false;
    auto& s = begin(who);
    s.held[tally].defines = true;
    s.work.deeds.push_back({deed::kind::define, tally, 0, {}, what});
    add_message(s, tally, simple_text(tally, what, s.xid, next_n(), "definition"), {s.work.deeds.back()});
    return true;
}

// Whether a session has a lock that conflicts with DDL's; with the mildest, which lets writers write, or with another.
bool database::held(std::size_t tally, bool by_writers) const noexcept
{
    return std::ranges::any_of(sessions_, [&](session const& s) {
        auto const& held = s.held[tally];
        return (by_writers && held.writes) || held.owns || held.defines;
    });
}

// A transaction of another session that begins and commits at once.
bool database::do_at_once(std::size_t tally, deed what, std::string text)
{
    committed work;
    work.xid = draw();
    std::array<bool, transport_count> by{};
    bool const unseen = text.empty();
    if (!unseen) by[notify] = by[tables_[tally].now.by] = true;
    work.deeds.push_back(what);
    work.messages.push_back({std::move(text), by, tally, {what}, unseen});
    history_.push_back(work);
    tell(wal, work, true);
    do_to_table(work);
    tell(notify, work, true);
    return true;
}

bool database::change_unseen(std::size_t tally, changed_key const& what)
{
    if (!tables_[tally].now.exists || held(tally, false)) return false;
    return do_at_once(tally, {deed::kind::unseen, tally, what.key, what.delta, {}}, {});
}

bool database::restore(std::size_t tally, meaning const& as)
{
    auto const& of = tables_[tally];
    if (!of.now.exists || of.lost || of.shared > 0 || held(tally, true)) return false;
    return do_at_once(tally, {deed::kind::define, tally, 0, {}, as}, {});
}

bool database::drop_triggers(std::size_t tally)
{
    auto& of = tables_[tally];
    if (!of.now.exists || of.untriggered || held(tally, true)) return false;
    of.untriggered = true;
    of.is = draw();
    return true;
}

bool database::repair(std::size_t tally, unsigned v)
{
    auto const& of = tables_[tally];
    if (!of.now.exists || of.lost || held(tally, true) || !may_send(notify)) return false;
    auto as = of.now;
    as.v = v;
    auto text = simple_text(tally, as, next_xid_, next_n(), "definition");
    return do_at_once(tally, {deed::kind::define, tally, 0, {}, as}, std::move(text));
}

bool database::rename_source(std::size_t tally)
{
    if (!tables_[tally].now.exists || tables_[tally].shared > 0 || held(tally, true)) return false;
    tables_[tally].is = draw();
    tables_[tally].lost = !tables_[tally].lost;
    return true;
}

bool database::set_savepoint(std::size_t who)
{
    auto& s = sessions_[who];
    if (s.at != session::phase::active) return false;
    s.savepoints.push_back({s.work.deeds.size(), s.work.messages.size()});
    return true;
}

bool database::rollback_to_savepoint(std::size_t who)
{
    auto& s = sessions_[who];
    if (s.at != session::phase::active || s.savepoints.empty()) return false;
    s.work.deeds.resize(s.savepoints.back().deeds);
    s.work.messages.resize(s.savepoints.back().messages);
    s.savepoints.pop_back();
    return true;
}

bool database::flush(std::size_t who)
{
    auto& s = sessions_[who];
    if (s.at != session::phase::active) return false;
    for (auto const& other : sessions_) {
        if (s.notifies() && other.at == session::phase::flushed && other.notifies()) return false;
    }
    // PostgreSQL folds equal notifications of a transaction into one.
    auto& all = s.work.messages;
    for (std::size_t i = 0; i < all.size(); ++i) {
        for (std::size_t j = 0; j < i && all[i].by[notify]; ++j) {
            if (all[j].by[notify] && all[j].text == all[i].text) all[i].by[notify] = false;
        }
    }
    s.at = session::phase::flushed;
    history_.push_back(s.work);
    tell(wal, s.work, true);
    return true;
}

bool database::show(std::size_t who)
{
    auto& s = sessions_[who];
    if (s.at != session::phase::flushed) return false;
    do_to_table(s.work);
    tell(notify, s.work, true);
    end(s);
    return true;
}

bool database::rollback(std::size_t who)
{
    auto& s = sessions_[who];
    if (s.at != session::phase::active) return false;
    end(s);
    return true;
}

void database::end(session& s)
{
    last_completed_ = std::max(last_completed_, s.last_id);
    s = {};
}

void database::do_to_table(committed const& work)
{
    for (auto const& each : work.deeds) {
        auto& of = tables_[each.tally];
        switch (each.what) {
            case deed::kind::row:
            case deed::kind::unseen: of.file.push_back({work.xid, each.key, each.delta}); break;
            case deed::kind::truncate: of.file.clear(); break;
            case deed::kind::rewrite:
                for (auto& each_row : of.file) each_row.xid = work.xid;
                break;
            case deed::kind::define:
                of.now = each.becomes;
                of.untriggered = false;
                break;
        }
        // A TRUNCATE is an event, and new files of the same rows are no change: the look shows neither.
        using kind = deed::kind;
        if (each.what == kind::unseen || each.what == kind::define) of.is = work.xid;
    }
}

}  // namespace pgtally::sim
