#include <pgtally/server/materialize/materializer_plan.hpp>

#include <boost/assert.hpp>

#include <algorithm>
#include <iterator>
#include <utility>

namespace pgtally::server {

void materializer_plan::start_over() noexcept
{
    phase_ = phase::none;
    pending_.clear();
    full_wanted_ = true;
}

void materializer_plan::begin(cache::tally const& of)
{
    splits_ = 0;
    if (under_way() && epoch_ == of.epoch()) return;
    pending_.clear();
    full_ = full_wanted_ || epoch_ != of.epoch() || written_ < of.remembered_from();
    full_wanted_ = false;
    epoch_ = of.epoch();
    since_ = full_ ? 0 : written_;
    until_ = of.last_change();
    cursor_ = 0;
    last_page_ = false;
    page_after_.reset();
    phase_ = !full_ && list_changes(of) ? phase::changed : phase::scan;
}

// Lists the keys that changed after `since_`. Returns false if they are too many.
bool materializer_plan::list_changes(cache::tally const& of)
{
    auto const& table = of.table();
    std::vector<std::string> keys;
    for (auto s = table.newest(); s != table.none && table.revision(s) > since_; s = table.older(s)) {
        if (keys.size() == bounds_.materialize_list_keys) return false;
        table.append_key(s, keys.emplace_back());
    }
    add_pending(std::move(keys));
    return true;
}

std::size_t materializer_plan::pending(cache::tally const& of) const noexcept
{
    auto const& table = of.table();
    auto const from = epoch_ == of.epoch() ? written_ : 0;
    std::size_t out = 0;
    for (auto s = table.newest(); s != table.none && table.revision(s) > from; s = table.older(s)) {
        if (++out == bounds_.materialize_counted_keys) break;
    }
    return out;
}

void materializer_plan::add_pending(std::vector<std::string> keys)
{
    for (std::size_t i = 0; i < keys.size(); i += bounds_.materialize_batch_keys) {
        auto const size = std::min(bounds_.materialize_batch_keys, keys.size() - i);
        auto const begin = std::make_move_iterator(keys.begin() + static_cast<std::ptrdiff_t>(i));
        pending_.emplace_back(begin, begin + static_cast<std::ptrdiff_t>(size));
    }
}

materializer_plan::step materializer_plan::next(cache::tally const& of)
{
    BOOST_ASSERT(of.state() == cache::state::live);
    if (!under_way()) return step::rest;
    if (epoch_ != of.epoch()) {
        start_over();
        return step::rest;
    }
    if (splits_ >= bounds_.max_materialize_splits) return step::rest;
    if (!pending_.empty()) return write_pending(of);
    switch (phase_) {
        case phase::scan: return scan(of);
        case phase::pages: return last_page_ ? end_round() : step::read;
        case phase::changed:
        case phase::none: break;
    }
    return end_round();
}

// Scans a slice of the tally. A slot changes its key only after the key was erased; so a new key in a slot that was
// scanned already has changed since the round began, and belongs to the next round.
materializer_plan::step materializer_plan::scan(cache::tally const& of)
{
    auto const& table = of.table();
    std::vector<std::string> keys;
    std::size_t looked_at = 0;
    for (; cursor_ < table.end(); ++cursor_, ++looked_at) {
        if (looked_at == bounds_.materialize_rows || keys.size() == bounds_.materialize_batch_keys) break;
        if (!table.used(cursor_)) continue;
        bool const due = full_ ? !table.is_zero(cursor_) : table.revision(cursor_) > since_;
        if (due) table.append_key(cursor_, keys.emplace_back());
    }
    add_pending(std::move(keys));
    if (!pending_.empty()) return write_pending(of);
    if (cursor_ < table.end()) return step::again;
    // If the tally forgot a key that fell to 0 before the scan reached it, only the table still has it.
    if (!full_ && of.remembered_from() <= since_) return end_round();
    phase_ = phase::pages;
    return step::read;
}

materializer_plan::step materializer_plan::write_pending(cache::tally const& of)
{
    auto const kind = of.definition().kind();
    batch_.keys = pending_.back();
    batch_.counters.clear();
    for (auto const& text : batch_.keys) {
        if (auto const key = cache::parse_key(kind, text)) {
            auto const values = of.counters(*key);
            batch_.counters.insert(batch_.counters.end(), values.begin(), values.end());
        } else {
            batch_.counters.insert(batch_.counters.end(), of.definition().counters.size(), 0);
        }
    }
    return step::write;
}

materializer_plan::step materializer_plan::end_round() noexcept
{
    phase_ = phase::none;
    written_ = until_;
    return step::rest;
}

void materializer_plan::written() noexcept
{
    if (!pending_.empty()) pending_.pop_back();
}

bool materializer_plan::refused()
{
    if (pending_.empty()) return false;
    auto keys = std::move(pending_.back());
    pending_.pop_back();
    if (keys.size() <= 1) return true;
    auto const middle = keys.begin() + static_cast<std::ptrdiff_t>(keys.size() / 2);
    pending_.emplace_back(std::make_move_iterator(middle), std::make_move_iterator(keys.end()));
    keys.erase(middle, keys.end());
    pending_.push_back(std::move(keys));
    splits_ += 2;
    return false;
}

void materializer_plan::page(cache::tally const& of, std::vector<std::string> keys)
{
    if (phase_ != phase::pages || epoch_ != of.epoch()) return;
    last_page_ = keys.size() < page_size();
    if (!keys.empty()) page_after_ = keys.back();
    auto const counted = [&of](std::string const& text) {
        auto const key = cache::parse_key(of.definition().kind(), text);
        return key && std::ranges::any_of(of.counters(*key), [](auto value) { return value != 0; });
    };
    std::erase_if(keys, counted);
    add_pending(std::move(keys));
}

}  // namespace pgtally::server
