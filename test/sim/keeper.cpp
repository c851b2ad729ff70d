#include "keeper.hpp"

#include <algorithm>
#include <utility>

namespace pgtally::sim {

namespace {

server::limits small_bounds()
{
    server::limits result;
    result.materialize_batch_keys = 2;
    result.materialize_list_keys = 1;
    result.materialize_rows = 3;
    result.max_materialize_splits = 2;
    return result;
}

std::size_t key_of(meaning const& as, std::string_view text)
{
    std::size_t key = 0;
    while (key < key_count && key_text(as, key) != text) ++key;
    if (key == key_count) throw violation{"a key that nobody counted is materialized: " + std::string{text}};
    return key;
}

}  // namespace

keeper::keeper(environment& around, host& of, std::size_t tally)
    : env_{around}, host_{of}, tally_{tally}, bounds_{small_bounds()}, plan_{bounds_}
{
}

cache::tally* keeper::live() const noexcept
{
    auto* const t = host_.find(tally_name(tally_));
    return t != nullptr && t->state() == cache::state::live ? t : nullptr;
}

bool keeper::settled() const noexcept
{
    auto const* const t = live();
    if (t == nullptr || !locked_ || !connection_.alive() || at_ != phase::planning || plan_.under_way()) return false;
    return round_epoch_ == t->epoch() && round_revision_ == t->last_change();
}

void keeper::break_connection()
{
    if (locked_ && connection_.alive()) connection_.at().unlock_kept(tally_);
    connection_.close();
}

void keeper::step()
{
    if (!connection_.alive()) {
        locked_ = false;
        at_ = phase::planning;
        connection_.open(env_);
        return;
    }
    if (!locked_) {
        locked_ = connection_.at().lock_kept(tally_);
        if (!locked_) return;
        plan_.start_over();
        rests_ = true;
        round_epoch_.clear();
        added_ = {};
        env_.tell(host_.name(), ": materializes ", tally_name(tally_), " from now on");
        return;
    }
    if (at_ == phase::writing) return write();
    if (at_ == phase::waiting) {
        at_ = phase::planning;
        if (refused_) plan_.refused();
        else plan_.written();
    }
    if (auto const* const t = live()) go_on(*t);
}

void keeper::go_on(cache::tally const& t)
{
    using step = server::materializer_plan::step;
    if (rests_ && !plan_.under_way()) {
        round_epoch_ = t.epoch();
        round_revision_ = t.last_change();
    }
    if (std::exchange(rests_, false)) plan_.begin(t);
    switch (plan_.next(t)) {
        case step::rest: rests_ = true; return;
        case step::again: return;
        case step::read: return read_page(t);
        case step::write: as_ = meaning_of(t); at_ = phase::writing;
    }
}

// The table's keys with counters other than 0, in the order of the model's keys.
void keeper::read_page(cache::tally const& t)
{
    auto const as = meaning_of(t);
    auto const& kept = connection_.at().kept(tally_);
    std::vector<std::string> keys;
    for (std::size_t key = plan_.page_after() ? key_of(as, *plan_.page_after()) + 1 : 0; key < key_count; ++key) {
        if (kept[key].value_or(numbers{}) == numbers{} || keys.size() == plan_.page_size()) continue;
        keys.emplace_back(key_text(as, key));
    }
    plan_.page(t, std::move(keys));
}

void keeper::write()
{
    auto const& batch = plan_.to_write();
    auto const& kept = connection_.at().kept(tally_);
    database::kept_table values{};
    for (std::size_t i = 0; i < batch.keys.size(); ++i) {
        auto const key = key_of(as_, batch.keys[i]);
        numbers value{batch.counters[i * as_.width()], as_.width() > 1 ? batch.counters[i * as_.width() + 1] : 0};
        if (env_.broken == flaw::deltas) {
            auto const before = std::exchange(added_[key], value);
            value = kept[key].value_or(numbers{}) + value + numbers{-before[0], -before[1]};
        }
        values[key] = value;
    }
    refused_ = !connection_.at().keep(tally_, values);
    env_.tell(host_.name(), refused_ ? ": cannot write " : ": writes ", batch.keys.size(), " keys of ",
              tally_name(tally_));
    at_ = phase::waiting;
}

void keeper::check_quiet() const
{
    auto const& node = env_.current();
    auto const& as = node.definition(tally_);
    if (!env_.can_be_live(tally_)) return;
    auto const truth = node.truth(tally_, node.look());
    for (std::size_t key = 0; key < key_count; ++key) {
        auto const value = as.counters(truth[key]);
        auto const kept = node.kept(tally_)[key].value_or(numbers{});
        if (kept == value || database::refuses(key, value)) continue;
        throw violation{"the writers pause, the truth of " + tally_name(tally_) + " for key " +
                        std::string{key_text(as, key)} + " is " + std::to_string(value[0]) + "," +
                        std::to_string(value[1]) + ", and its table has " + std::to_string(kept[0]) + "," +
                        std::to_string(kept[1])};
    }
}

}  // namespace pgtally::sim
