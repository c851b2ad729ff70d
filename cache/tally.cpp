#include <pgtally/cache/tally.hpp>

#include <pgtally/cache/subscription.hpp>
#include <pgtally/cache/uuid.hpp>

#include <boost/assert.hpp>

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

tally::tally(cache::definition what, limits const& bounds)
    : definition_{std::move(what)}
    , limits_{bounds}
    , epoch_{make_uuid()}
    , served_{definition_.kind(), definition_.counters.size()}
    , zeros_(definition_.counters.size(), 0)
    , feed_{definition_.kind()}
    , answers_{served_, definition_.counters, last_change_, limits_}
{
}

tally::~tally()
{
    // A wake may destroy other subscriptions of this tally: take them out one at a time.
    while (auto* const who = feed_.remove_any()) {
        who->tally_ = nullptr;
        who->owner().wake(*who);
    }
}

std::uint64_t tally::revision() const noexcept
{
    auto const known = std::max(last_change_, stood_at_);
    return stream_ != nullptr && state_ == state::live ? std::max(known, stream_->reached) : known;
}

// All events of a transaction have the position of its commit.
std::uint64_t tally::revision_of_event() const noexcept
{
    auto const position = stream_ == nullptr ? 0 : stream_->committing;
    return position == 0 || position < last_change_ ? last_change_ + 1 : position;
}

// A number that no client was shown: a position between two commits, if the comparison goes on after the barrier.
std::uint64_t tally::revision_of_difference() const noexcept
{
    return std::max(revision() + 1, load_->barrier_at);
}

void tally::count_change(std::uint64_t revision) noexcept
{
    if (revision == last_change_) return;
    last_change_ = revision;
    ++changes_;
}

bool tally::knows(std::uint64_t at) const noexcept
{
    if (shares_positions() && (state_ != state::live || at < known_from_)) return false;
    return at >= remembered_from_ && at <= revision();
}

std::span<std::int64_t const> tally::counters(key const& k) const noexcept
{
    auto const s = served_.find(k);
    return s == counter_table::none ? std::span{zeros_} : served_.counters(s);
}

std::uint64_t tally::changed_at(key const& k) const noexcept
{
    auto const s = served_.find(k);
    return std::max(known_from_, s == counter_table::none ? remembered_from_ : served_.revision(s));
}

// Events

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
    table.prefetch(keys_);
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
    served_.prefetch(keys_);
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

// Loads

std::string tally::end_out_of_turn(char const* step)
{
    load_.reset();
    return std::string{"a step of the load is out of turn: "} + step;
}

std::optional<std::string> tally::end_if_spoiled()
{
    if (load_->spoiled.empty()) return std::nullopt;
    return std::exchange(load_, std::nullopt)->spoiled;
}

std::optional<std::string> tally::begin_load(stream const* by)
{
    if (load_) return end_out_of_turn("another load is under way");
    load_.emplace(definition_, by);
    load_->before = highest_;
    return std::nullopt;
}

std::optional<std::string> tally::set_fence(pgtally::cache::fence f)
{
    if (!load_ || load_->at != load_step::fence) return end_out_of_turn("no load waits for its fence");
    load_->at = load_step::rows;
    load_->fence = std::move(f);
    auto const kept = std::exchange(load_->kept, {});
    for (auto const& e : kept) {
        if (load_->spoiled.empty() && !load_->fence->contains(e.transaction)) apply_to_fresh(e, read_keys(e));
    }
    return end_if_spoiled();
}

std::optional<std::string> tally::add_truth_row(std::string_view key_text, std::span<std::int64_t const> values)
{
    if (!load_ || load_->at != load_step::rows) return end_out_of_turn("no load reads rows");
    auto const k = parse_key(definition_.kind(), key_text);
    if (load_->spoiled.empty() && (!k || values.size() != definition_.counters.size())) {
        load_->spoiled = "the truth has a row that does not fit the definition";
    }
    if (load_->spoiled.empty()) {
        auto& table = load_->table;
        table.add(table.find_or_add(*k), values);
        if (table.rows() > limits_.max_keys) load_->spoiled = too_many_keys();
    }
    return end_if_spoiled();
}

std::optional<std::string> tally::await_barrier(std::string id)
{
    if (!load_ || load_->at != load_step::rows) return end_out_of_turn("no load has read its rows");
    load_->at = load_step::barrier;
    load_->barrier = std::move(id);
    return std::nullopt;
}

std::optional<load_report> tally::barrier_back(std::string_view id, std::size_t rows)
{
    if (!load_ || load_->at != load_step::barrier || load_->barrier != id) return std::nullopt;
    if (end_if_spoiled()) return std::nullopt;
    auto& report = load_->report;
    report.first = !loaded_;
    report.was_live = state_ == state::live;
    if (report.was_live && load_->before != xid{} && !load_->fence->contains(load_->before)) {
        report.forged = load_->before;
    }
    // Everything that the fence contains has arrived: from here on this fence decides about events for both tables.
    fence_ = load_->fence;
    highest_ = load_->highest;
    stream_ = load_->by;
    load_->barrier_at = stream_ == nullptr ? 0 : stream_->committing;
    auto const epoch = epoch_of_load();
    if (!loaded_ || epoch != epoch_) {
        report.first = true;
        report.keys = load_->table.nonzero();
        if (loaded_) begin_epoch();
        epoch_ = epoch;
        take_first(std::move(load_->table));
        return end_load();
    }
    // What changed while the tally did not follow the stream, and changed back, shows no difference.
    if (!report.was_live && shares_positions()) known_from_ = load_->barrier_at;
    load_->at = load_step::comparing;
    // A tally that is not live does not follow the events, so all its rows are compared at one moment.
    return compare_more(report.was_live ? rows : all_rows);
}

std::optional<load_report> tally::end_load()
{
    auto report = std::move(load_->report);
    report.live = load_->incomplete.empty();
    broken_ = std::move(load_->broken);
    auto const why = std::move(load_->incomplete);
    load_.reset();
    forget_old_zeros();
    if (report.live) set_state(state::live, {});
    else if (broken_.empty()) set_state(state::stale, why);
    else set_state(state::failed, broken_);
    return report;
}

// Positions of a shared stream are the revisions of its own epoch. What is served after a load that another one must
// follow is not the truth of the commits up to any position, so it has an epoch that no other server knows.
std::string tally::epoch_of_load()
{
    bool const shared = shares_positions() && load_->incomplete.empty();
    bool const was_shared = std::exchange(epoch_is_shared_, shared);
    if (shared) return shared_epoch(stream_->order, definition_);
    return was_shared ? make_uuid() : epoch_;
}

void tally::take_first(counter_table fresh)
{
    auto const revision = revision_of_difference();
    served_ = std::move(fresh);
    remembered_from_ = revision;
    count_change(revision);
    for (counter_table::slot s = 0; s < served_.end(); ++s) {
        if (served_.used(s)) served_.touch(s, revision);
    }
    loaded_ = true;
    answers_.table_replaced();
    feed_.changed_any();
}

// Compares first all served rows, then the rows of the fresh table. The second pass finds rows that only the load has,
// and rows that were added meanwhile in slots that the first pass had already passed.
std::optional<load_report> tally::compare_more(std::size_t rows)
{
    if (!comparing()) return std::nullopt;
    auto const& fresh = load_->table;
    auto& report = load_->report;
    if (end_if_spoiled()) return std::nullopt;
    std::uint64_t const revision = revision_of_difference(), differed = report.differed;
    for (auto& s = load_->served_next; s < served_.end() && rows > 0; ++s, --rows) {
        if (!served_.used(s)) continue;
        auto const found = fresh.find(served_.key_of(s));
        take_row(s, found == counter_table::none ? std::span<std::int64_t const>{zeros_} : fresh.counters(found),
                 revision);
    }
    for (auto& s = load_->fresh_next; s < fresh.end() && rows > 0; ++s, --rows) {
        if (!fresh.used(s)) continue;
        auto served = served_.find(fresh.key_of(s));
        if (served == counter_table::none && fresh.is_zero(s)) continue;
        if (served == counter_table::none) served = served_.find_or_add(fresh.key_of(s));
        take_row(served, fresh.counters(s), revision);
    }
    if (report.differed != differed) count_change(revision);
    if (rows == 0) return std::nullopt;
    report.keys = fresh.nonzero();
    report.compared += report.keys;
    return end_load();
}

void tally::take_row(counter_table::slot s, std::span<std::int64_t const> truth, std::uint64_t revision)
{
    auto const shown = served_.counters(s);
    if (std::ranges::equal(shown, truth)) return;
    auto& report = load_->report;
    if (report.was_live && report.drifted.size() < limits_.max_reported_drift) {
        drift& one = report.drifted.emplace_back();
        served_.append_key(s, one.key);
        one.served.assign(shown.begin(), shown.end());
        one.truth.assign(truth.begin(), truth.end());
    }
    if (std::ranges::equal(truth, zeros_)) ++report.compared;
    ++report.differed;
    answers_.before(s);
    served_.assign(s, truth);
    answers_.after(s);
    changed(s, revision);
}

// States

void tally::set_state(pgtally::cache::state value, pgtally::cache::reason why)
{
    if (state_ == value && reason_ == why) return;
    stood_at_ = revision();
    state_ = value;
    reason_ = std::move(why);
    ++state_changes_;
    feed_.changed_state();
}

void tally::lost(pgtally::cache::reason why)
{
    abandon_load();
    if (!broken_.empty()) set_state(state::failed, broken_);
    else set_state(loaded_ ? state::stale : state::loading, std::move(why));
}

void tally::fail(pgtally::cache::reason why)
{
    abandon_load();
    set_state(state::failed, std::move(why));
}

void tally::explain(pgtally::cache::reason why)
{
    if (state_ == state::loading || state_ == state::stale) set_state(state_, std::move(why));
}

bool tally::redefine(cache::definition what)
{
    BOOST_ASSERT(what.name == definition_.name && what.kind() == definition_.kind());
    bool const other = what.fingerprint != definition_.fingerprint;
    bool const renumbered = what.v != definition_.v;
    definition_ = std::move(what);
    if (other) {
        start_over();
    } else if (renumbered) {
        abandon_load();
        if (state_ == state::live) set_state(state::stale, cache::reason{reason::kind::definition_changed});
    }
    return other || renumbered;
}

void tally::begin_epoch()
{
    last_change_ = changes_ = remembered_from_ = known_from_ = stood_at_ = 0;
    feed_.start_over();
    feed_.changed_state();
    ++state_changes_;
}

void tally::start_over()
{
    load_.reset();
    fence_.reset();
    highest_ = {};
    broken_ = {};
    loaded_ = false;
    stream_ = nullptr;
    served_ = counter_table{definition_.kind(), definition_.counters.size()};
    zeros_.assign(definition_.counters.size(), 0);
    answers_.counters_replaced();
    epoch_ = make_uuid();
    epoch_is_shared_ = false;
    set_state(state::loading, {});
    begin_epoch();
}

}  // namespace pgtally::cache
