#include "keeper.hpp"

namespace pgtally::sim {

cache::tally* keeper::live() const noexcept
{
    auto* const t = host_.find(tally_name(tally_));
    return t != nullptr && t->state() == cache::state::live ? t : nullptr;
}

// What is not known to be written: since another epoch, or since zeros were forgotten, nobody knows which keys changed.
bool keeper::needs_everything(cache::tally const& t) const noexcept
{
    return everything_ || epoch_ != t.epoch() || written_ < t.remembered_from();
}

bool keeper::settled() const
{
    auto const* const t = live();
    if (t == nullptr || !connection_.alive()) return false;
    return at_ == phase::planning && batches_.empty() && !needs_everything(*t) && written_ == t->revision();
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
        everything_ = true;
        at_ = phase::planning;
        batches_.clear();
        connection_.open(env_);
        return;
    }
    if (!locked_) {
        locked_ = connection_.at().lock_kept(tally_);
        if (!locked_) return;
        everything_ = true;
        added_ = {};
        env_.tell(host_.name(), ": materializes ", tally_name(tally_), " from now on");
        return;
    }
    if (at_ == phase::writing) return write();
    if (at_ == phase::waiting) return answered();
    if (auto const* const t = live()) plan(*t);
}

void keeper::plan(cache::tally const& t)
{
    constexpr std::size_t keys_in_batch = 3;
    bool const all = needs_everything(t);
    if (!all && written_ == t.revision()) return;
    auto const as = meaning_of(t);
    std::size_t in_batch = keys_in_batch;
    for (std::size_t key = 0; key < key_count; ++key) {
        auto const s = t.table().find(as_key(as, key));
        bool const changed = s != cache::counter_table::none && t.table().revision(s) > written_;
        if (!all && !changed) continue;
        auto const value = counters_of(t, as, key);
        if (all && value == numbers{} && !connection_.at().kept(tally_)[key]) continue;
        if (in_batch++ == keys_in_batch) {
            batches_.emplace_back();
            in_batch = 1;
        }
        batches_.back()[key] = value;
    }
    planned_ = t.revision();
    epoch_ = t.epoch();
    everything_ = all;
    if (batches_.empty()) done();
    else at_ = phase::writing;
}

void keeper::done()
{
    at_ = phase::planning;
    written_ = planned_;
    everything_ = false;
}

void keeper::write()
{
    auto values = batches_.back();
    if (env_.broken == flaw::deltas) {
        auto const& kept = connection_.at().kept(tally_);
        for (std::size_t key = 0; key < key_count; ++key) {
            if (!values[key]) continue;
            numbers const delta{(*values[key])[0] - added_[key][0], (*values[key])[1] - added_[key][1]};
            values[key] = kept[key].value_or(numbers{}) + delta;
        }
    }
    connection_.at().keep(tally_, values);
    env_.tell(host_.name(), ": writes some of ", tally_name(tally_), " down");
    at_ = phase::waiting;
}

void keeper::answered()
{
    for (std::size_t key = 0; key < key_count; ++key) {
        if (batches_.back()[key]) added_[key] = *batches_.back()[key];
    }
    batches_.pop_back();
    if (batches_.empty()) done();
    else at_ = phase::writing;
}

void keeper::check_quiet() const
{
    auto const& node = env_.current();
    auto const& as = node.definition(tally_);
    if (!as.exists) return;
    auto const truth = node.truth(tally_, node.look());
    for (std::size_t key = 0; key < key_count; ++key) {
        auto const value = as.counters(truth[key]);
        auto const kept = node.kept(tally_)[key].value_or(numbers{});
        if (kept == value) continue;
        throw violation{"the writers pause, the truth of " + tally_name(tally_) + " for key " +
                        std::string{key_text(as, key)} + " is " + std::to_string(value[0]) + "," +
                        std::to_string(value[1]) + ", and its table has " + std::to_string(kept[0]) + "," +
                        std::to_string(kept[1])};
    }
}

}  // namespace pgtally::sim
