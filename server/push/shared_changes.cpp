#include <pgtally/cache/tally.hpp>
#include <pgtally/server/base/counters_json.hpp>
#include <pgtally/server/base/json_text.hpp>
#include <pgtally/server/push/shared_changes.hpp>

#include <algorithm>
#include <utility>
#include <variant>

namespace pgtally::server {

namespace {

// Few ask for one key's rank: its changes would only take the place of others.
bool is_shared(cache::update const& what, cache::subscription const& from)
{
    if (what.answered == nullptr) return what.of_all_keys;
    return !std::holds_alternative<cache::rank_question>(*from.asks());
}

bool same_rows(std::vector<cache::update::item> const& a, std::vector<cache::update::item> const& b)
{
    return std::ranges::equal(a, b, {}, &cache::update::item::row, &cache::update::item::row);
}

}  // namespace

void shared_changes::encode(std::string& out, cache::update const& what, cache::subscription const& from)
{
    ++encoded_;
    out += R"("revision":)";
    append_json(out, what.revision);
    out += ',';
    append_values(out, what, from);
    out += '}';
}

std::shared_ptr<std::string const> shared_changes::encode(cache::update const& what, cache::subscription const& from)
{
    auto out = std::make_shared<std::string>();
    encode(*out, what, from);
    return out;
}

std::shared_ptr<std::string const> shared_changes::text_of(cache::update const& what, cache::subscription const& from)
{
    if (!is_shared(what, from)) return what.answered == nullptr ? text_of_rows(what, from) : encode(what, from);
    auto const& epoch = from.of()->epoch();
    for (auto const& known : entries_) {
        if (known.from == what.from && known.revision == what.revision && known.epoch == epoch &&
            known.asks == from.asks())
            return known.text;
    }
    entry made{epoch, what.from, what.revision, from.asks(), encode(what, from)};
    if (entries_.size() < most_) {
        entries_.push_back(std::move(made));
        return entries_.back().text;
    }
    if (most_ == 0) return made.text;
    auto& place = entries_[oldest_];
    oldest_ = (oldest_ + 1) % most_;
    place = std::move(made);
    return place.text;
}

std::shared_ptr<std::string const> shared_changes::text_of_rows(cache::update const& what,
                                                                cache::subscription const& from)
{
    // A key without a row could be any.
    auto const has_no_row = [](auto const& each) { return each.row == cache::counter_table::none; };
    if (most_ == 0 || what.items.size() > most_rows_ || std::ranges::any_of(what.items, has_no_row))
        return encode(what, from);
    by_row_.resize(most_);
    auto& place = by_row_[what.items.front().row % most_];
    auto const& epoch = from.of()->epoch();
    if (place.text && place.revision == what.revision && same_rows(place.items, what.items) && place.epoch == epoch)
        return place.text;
    // Its storage serves again if no message has the text any more. An exception leaves no text of another change.
    auto text = std::exchange(place.text, nullptr);
    if (!text || text.use_count() != 1) text = std::make_shared<std::string>();
    text->clear();
    place.revision = what.revision;
    place.items = what.items;
    place.epoch = epoch;
    encode(*text, what, from);
    place.text = std::move(text);
    return place.text;
}

}  // namespace pgtally::server
