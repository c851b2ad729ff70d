#include <pgtally/cache/replica/changes.hpp>
#include <pgtally/cache/replica/ranked.hpp>

#include <pgtally/cache/tally.hpp>

#include <algorithm>
#include <charconv>
#include <stdexcept>
#include <utility>

namespace pgtally {

std::int64_t any_key::number() const
{
    std::int64_t result = 0;
    auto const [end, error] = std::from_chars(text_.data(), text_.data() + text_.size(), result);
    if (error != std::errc{} || end != text_.data() + text_.size()) {
        throw std::invalid_argument{"the key " + text_ + " is not a signed 64-bit integer"};
    }
    return result;
}

counter_values::counter_values(names_ptr names, std::span<std::int64_t const> values)
    : names_{std::move(names)}, values_(values.begin(), values.end())
{
}

std::int64_t counter_values::operator[](std::size_t index) const
{
    return values_.at(index);
}

std::int64_t counter_values::operator[](std::string_view name) const
{
    if (empty()) throw std::out_of_range{"there are no counters yet: the replica has not loaded"};
    auto const at = std::ranges::find(*names_, name);
    if (at == names_->end()) throw std::out_of_range{"the tally has no counter " + std::string{name}};
    return values_.at(static_cast<std::size_t>(at - names_->begin()));
}

std::string const& counter_values::name(std::size_t index) const
{
    if (empty()) throw std::out_of_range{"there are no counters yet: the replica has not loaded"};
    return names_->at(index);
}

changes::changes(cache::subscription const& whose, std::span<cache::update::item const> items,
                 counter_values::names_ptr names, bool snapshot)
    : whose_{&whose}, items_{items}, names_{std::move(names)}, zeros_(names_->size(), 0), snapshot_{snapshot}
{
}

std::vector<ranked_key> ranked_keys(std::span<cache::answer::row const> rows, counter_values::names_ptr const& names)
{
    std::vector<ranked_key> out;
    out.reserve(rows.size());
    for (auto const& row : rows) out.push_back({row.place, row.key, {names, row.counters}});
    return out;
}

changes::iterator changes::begin() const
{
    return {*this, 0};
}

changes::iterator changes::end() const
{
    return {*this, items_.size()};
}

change changes::at(std::size_t index) const
{
    auto const& item = items_[index];
    std::string key;
    whose_->append_key(item, key);
    auto const& table = whose_->of()->table();
    bool const counted = item.row != cache::counter_table::none;
    return {std::move(key), {names_, counted ? table.counters(item.row) : std::span<std::int64_t const>{zeros_}}};
}

}  // namespace pgtally
