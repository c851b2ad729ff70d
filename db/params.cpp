#include <pgtally/db/params.hpp>

namespace pgtally::db {

std::vector<char const*> params::pointers() const
{
    std::vector<char const*> result;
    result.reserve(slots_.size());
    for (auto const slot : slots_) result.push_back(slot == null_slot ? nullptr : text_.data() + slot);
    return result;
}

void params::add_text(std::string_view value)
{
    slots_.push_back(text_.size());
    if (first_with_nul_ == 0 && value.find('\0') != std::string_view::npos) first_with_nul_ = slots_.size();
    text_.append(value);
    text_ += '\0';
}

std::string params::array_literal(std::vector<std::string> const& values)
{
    std::string literal{"{"};
    for (auto const& value : values) {
        if (literal.size() > 1) literal += ',';
        literal += '"';
        for (char const c : value) {
            if (c == '"' || c == '\\') literal += '\\';
            literal += c;
        }
        literal += '"';
    }
    return literal += '}';
}

}  // namespace pgtally::db
