// A tally's events: what they add to the served table, and to the one of a load.

#include <pgtally/cache/tally.hpp>

#include <algorithm>
#include <utility>

namespace pgtally::cache {

namespace {

// The first `most` bytes of a text, without part of a character at their end.
std::string cut(std::string text, std::size_t most)
{
    if (text.size() <= most) return text;
    auto const continues = [&](std::size_t at) { return (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80; };
    while (most > 0 && continues(most)) --most;
    text.resize(most);
    return text + "…";
}

reason does_not_fit()
{
    return {reason::kind::definition_changed, "an event does not fit the definition that was read; loading again"};
}

}  // namespace

// All events of a transaction have the position of its commit.
std::uint64_t tally::revision_of_event() const noexcept
{
    auto const position = stream_ == nullptr ? 0 : stream_->committing;
    return position == 0 || position < last_change_ ? last_change_ + 1 : position;
}

void tally::count_change(std::uint64_t revision) noexcept
{
    if (revision == last_change_) return;
    last_change_ = revision;
    ++changes_;
}

// Reads the keys of an event into `keys_`. Returns why it does not fit the definition.
std::optional<outcome> tally::read_keys(event const& e)
{
    keys_.clear();
    if (e.what != event::kind::deltas) return std::nullopt;
    for (auto const& d : e.deltas) {
        if (d.values_size != definition_.counters.size()) return outcome::wrong_width;
        auto const k = parse_key(definition_.kind(), e.key(d));
        if (!k) return outcome::wrong_key;
        keys_.push_back(*k);
    }
    return std::nullopt;
}

bool tally::expect(event const& e)
{
    constexpr std::size_t most_expected = 256;  // more would take the place of what was loaded first
    if (state_ != state::live || !served_.is_large() || hashes_.size() >= most_expected) return false;
    for (auto const& d : e.deltas) {
        if (auto const k = parse_key(definition_.kind(), e.key(d))) hashes_.push_back(served_.hash(*k));
    }
    return true;
}

void tally::load_expected()
{
    ask_for_rows(served_, counter_table::will::change);
}

// Of the keys with the hashes that were noted.
void tally::ask_for_rows(counter_table const& in, counter_table::will what)
{
    in.prefetch(hashes_, what);
    hashes_.clear();
}

// The rows of the event that is being applied.
void tally::look_ahead(counter_table const& in)
{
    if (keys_.size() < 2 || !in.is_large()) return;
    for (auto const& k : keys_) hashes_.push_back(in.hash(k));
    ask_for_rows(in, counter_table::will::change);
}

// Anybody can send the event: its text must not break a line of the log.
reason tally::broken_reason(event const& e) const
{
    auto message = cut(e.text, limits_.max_broken_bytes);
    std::ranges::replace_if(message, [](char c) { return static_cast<unsigned char>(c) < ' ' || c == 0x7f; }, ' ');
    return {reason::kind::not_counted, "a change could not be counted: " + message};
}

outcome tally::apply(event const& e)
{
    auto const misfit = read_keys(e);
    outcome const fresh = load_ ? apply_to_load(e, misfit) : outcome::ignored;
    outcome const served = state_ == state::live ? apply_to_served(e, misfit) : outcome::ignored;
    for (auto const each :
         {outcome::broken, outcome::wrong_width, outcome::wrong_key, outcome::needs_load, outcome::applied}) {
        if (fresh == each || served == each) return each;
    }
    return served == outcome::ignored ? fresh : served;
}

outcome tally::apply_to_load(event const& e, std::optional<outcome> misfit)
{
    if (!load_->spoiled.empty()) return outcome::ignored;
    if (!load_->fence) {
        load_->kept_bytes += e.memory_bytes();
        if (load_->kept_bytes <= limits_.max_kept_bytes) {
            load_->kept.push_back(e);
            return misfit.value_or(e.what == event::kind::broken ? outcome::broken : outcome::applied);
        }
        load_->spoiled = "more events arrived before the load's snapshot than may be kept";
        load_->kept = {};
        return outcome::needs_load;
    }
    if (load_->fence->contains(e.transaction)) return outcome::contained;
    bool const asked_before = !load_->incomplete.empty();
    apply_to_fresh(e, misfit);
    if (misfit) return *misfit;
    if (e.what == event::kind::broken) return outcome::broken;
    bool const asks = !load_->incomplete.empty() && !asked_before;
    return load_->spoiled.empty() && !asks ? outcome::applied : outcome::needs_load;
}

// Applies an event that the load's fence does not contain.
void tally::apply_to_fresh(event const& e, std::optional<outcome> misfit)
{
    auto& incomplete = load_->incomplete;
    if (e.what == event::kind::broken) load_->broken = incomplete = broken_reason(e);
    if (!incomplete.empty()) return;
    auto& table = load_->table;
    if (misfit) {
        incomplete = does_not_fit();
        return;
    }
    load_->highest = std::max(load_->highest, e.transaction);
    if (e.what == event::kind::reload) {
        incomplete = cache::reason{reason::kind::reload};
        return;
    }
    if (e.what == event::kind::truncate) {
        for (counter_table::slot s = 0; s < table.end(); ++s) {
            if (table.used(s)) table.assign(s, zeros_);
        }
        return;
    }
    look_ahead(table);
    for (std::size_t i = 0; i < keys_.size(); ++i) table.add(table.find_or_add(keys_[i]), e.counters(e.deltas[i]));
    if (table.rows() > limits_.max_keys) load_->spoiled = too_many_keys();
}

outcome tally::apply_to_served(event const& e, std::optional<outcome> misfit)
{
    if (fence_->contains(e.transaction)) return outcome::contained;
    if (misfit) {
        set_state(state::stale, does_not_fit());
        return *misfit;
    }
    switch (e.what) {
        case event::kind::deltas: add_to_served(e); break;
        case event::kind::truncate: truncate_served(); break;
        case event::kind::reload:
            set_state(state::stale, cache::reason{reason::kind::reload});
            return outcome::needs_load;
        case event::kind::broken:
            broken_ = broken_reason(e);
            set_state(state::failed, broken_);
            return outcome::broken;
        default: return outcome::ignored;
    }
    highest_ = std::max(highest_, e.transaction);
    forget_old_zeros();
    return outcome::applied;
}

void tally::changed(counter_table::slot s, std::uint64_t revision)
{
    served_.touch(s, revision);
    feed_.changed(served_, s);
}

void tally::add_to_served(event const& e)
{
    auto const revision = revision_of_event();
    look_ahead(served_);
    for (std::size_t i = 0; i < keys_.size(); ++i) {
        auto const deltas = e.counters(e.deltas[i]);
        if (std::ranges::all_of(deltas, [](std::int64_t each) { return each == 0; }))
            continue;  // no row for a key that nobody counts
        auto const s = served_.find_or_add(keys_[i]);
        answers_.before(s);
        served_.add(s, deltas);
        answers_.after(s);
        count_change(revision);
        changed(s, revision);
    }
    if (served_.rows() > limits_.max_keys) fail({reason::kind::too_many_keys, too_many_keys()});
}

void tally::truncate_served()
{
    auto const revision = revision_of_event();
    for (counter_table::slot s = 0; s < served_.end(); ++s) {
        if (!served_.used(s) || !served_.assign(s, zeros_)) continue;
        count_change(revision);
        changed(s, revision);
    }
    answers_.all_zero();
}

void tally::forget_old_zeros()
{
    if (comparing()) return;  // the comparison relies on rows keeping their slots
    if (served_.zeros() <= limits_.min_remembered_zeros || served_.zeros() * 2 <= served_.nonzero()) return;
    auto forget = served_.zeros() / 2;
    for (auto s = served_.oldest(); s != counter_table::none && forget > 0;) {
        auto const next = served_.newer(s);
        if (served_.is_zero(s)) {
            remembered_from_ = std::max(remembered_from_, served_.revision(s));
            served_.erase(s);
            --forget;
        }
        s = next;
    }
}

std::string tally::too_many_keys() const
{
    return "more than " + std::to_string(limits_.max_keys) + " keys; raise --max-keys";
}

}  // namespace pgtally::cache
