#include <pgtally/db/result.hpp>

#include <charconv>
#include <stdexcept>
#include <utility>

namespace pgtally::db {

result_set::result_set(pq::result result) noexcept
    : result_(std::move(result)), size_(result_.rows()), columns_(result_.columns())
{
}

std::string_view result_set::name(std::size_t column) const
{
    check(0, column);
    return result_.name(column);
}

std::uint32_t result_set::type_oid(std::size_t column) const
{
    check(0, column);
    return result_.type_oid(column);
}

bool result_set::is_null(std::size_t row, std::size_t column) const
{
    check(row + 1, column);
    return result_.is_null(row, column);
}

std::string_view result_set::text(std::size_t row, std::size_t column) const
{
    check(row + 1, column);
    return result_.value(row, column);
}

std::uint64_t result_set::affected() const noexcept
{
    auto const digits = result_.affected();
    std::uint64_t count = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), count);
    return count;
}

std::string_view result_set::tag() const noexcept
{
    return result_.tag();
}

// `rows` is the number of rows that must exist.
void result_set::check(std::size_t rows, std::size_t column) const
{
    if (rows > size_ || column >= columns_) throw std::out_of_range("pgtally::db::result_set: no such row or column");
}

}  // namespace pgtally::db
