#include <pgtally/db/params.hpp>

#include <algorithm>

namespace pgtally::db {

params::wire params::to_wire() const
{
    wire result;
    result.types.reserve(size());
    result.values.reserve(size());
    result.lengths.reserve(size());
    result.formats.reserve(size());
    for (auto const& each : slots_) {
        result.types.push_back(each.type);
        result.values.push_back(each.begin == null_value ? nullptr : values_.data() + each.begin);
        result.lengths.push_back(each.length);
        result.formats.push_back(each.type == oids::unspecified ? 0 : 1);
    }
    return result;
}

std::string params::type_key() const
{
    std::string key;
    auto const untyped = [](slot const& each) { return each.type == oids::unspecified; };
    if (std::all_of(slots_.begin(), slots_.end(), untyped)) return key;
    key.reserve(4 * size());
    for (auto const& each : slots_) detail::append_integer(key, each.type, 4);
    return key;
}

void params::add_null(std::uint32_t type)
{
    add_slot(null_value, 0, type);
}

void params::add_text(std::string_view value)
{
    auto const begun = values_.size();
    // A value that is too long is not even copied.
    if (value.size() > max_value_bytes) refuse("is longer than PostgreSQL allows");
    else values_ += value;
    end_value(begun, oids::unspecified, false);
}

void params::end_value(std::size_t begun, std::uint32_t type, bool is_number)
{
    auto const length = values_.size() - begun;
    if (length > max_value_bytes) {
        values_.resize(begun);
        refuse("is longer than PostgreSQL allows");
        return add_slot(begun, 0, type);
    }
    if (type == oids::unspecified) {
        if (!is_number && values_.find('\0', begun) != std::string::npos) refuse("holds a NUL character");
        values_ += '\0';
    }
    add_slot(begun, length, type);
}

void params::add_slot(std::size_t begun, std::size_t length, std::uint32_t type)
{
    slots_.push_back(slot{begun, static_cast<int>(length), type});
}

// Keeps only the first problem. Called before the slot is added.
void params::refuse(std::string_view why)
{
    if (!problem_.empty()) return;
    problem_ = "parameter $" + std::to_string(size() + 1) + " ";
    problem_ += why;
}

}  // namespace pgtally::db
