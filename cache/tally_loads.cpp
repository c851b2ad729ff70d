// A tally's loads, step by step, and the comparison of what was served with what was loaded.

#include <pgtally/cache/tally.hpp>

#include <pgtally/cache/uuid.hpp>

#include <algorithm>
#include <utility>

namespace pgtally::cache {

namespace {

constexpr counter_table::slot rows_ahead = 16;  // that are loaded before the first of them is compared

}  // namespace

// A number that no client was shown: a position between two commits, if the comparison goes on after the barrier.
std::uint64_t tally::revision_of_difference() const noexcept
{
    return std::max(revision() + 1, load_->barrier_at);
}

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
        if (s % rows_ahead == 0) look_ahead(served_, s, fresh);
        if (!served_.used(s)) continue;
        auto const found = fresh.find(served_.key_of(s));
        take_row(s, found == counter_table::none ? std::span<std::int64_t const>{zeros_} : fresh.counters(found),
                 revision);
    }
    for (auto& s = load_->fresh_next; s < fresh.end() && rows > 0; ++s, --rows) {
        if (s % rows_ahead == 0) look_ahead(fresh, s, served_);
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

// The next rows of one table are anywhere in the memory of the other one.
void tally::look_ahead(counter_table const& rows, counter_table::slot from, counter_table const& in)
{
    auto const end = std::min(from + rows_ahead, rows.end());
    for (auto s = from; s < end; ++s) {
        if (rows.used(s)) hashes_.push_back(in.hash(rows.key_of(s)));
    }
    ask_for_rows(in, counter_table::will::read);
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

}  // namespace pgtally::cache
