#pragma once

#include <pgtally/db/result.hpp>
#include <pgtally/db/row.hpp>

#include <compare>
#include <cstddef>
#include <iterator>
#include <optional>
#include <utility>

namespace pgtally::db {

namespace detail {
[[noreturn]] void throw_row_count(std::size_t rows, char const* wanted);
}

/// The rows of a result as values, in a random-access range. Each access decodes. Row is
///  - a std::tuple of the columns' types,
///  - a plain struct (an aggregate without bases) whose fields are the columns in order; names do not matter,
///  - or one type, for a result of one column: `query_as<std::int64_t>("select count(*) ...")`.
///
/// types.hpp lists the column types. A column that may be NULL is a std::optional.
///
/// *Lifetime*: views in a Row are valid as long as this object.
///
/// *Errors*: the number of columns and their types are checked once, when the result arrives; the error
/// (bad_result) names the column and both types. A NULL without std::optional, or a value that the C++ type
/// cannot hold, throws bad_result on access; the error names column and row.
template <class Row>
class rows {
public:
    using value_type = Row;

    rows() = default;

    /// Takes a result in binary format. Throws error (bad_result).
    explicit rows(result_set result) : result_(std::move(result)), decoder_(result_) {}

    [[nodiscard]] std::size_t size() const noexcept { return result_.size(); }
    [[nodiscard]] bool empty() const noexcept { return result_.empty(); }

    /// *Errors*: bad_result, std::out_of_range.
    [[nodiscard]] Row operator[](std::size_t row) const { return decoder_(result_, row); }

    /// Returns the only row. Throws bad_result if there is not exactly one.
    [[nodiscard]] Row one() const
    {
        if (size() != 1) detail::throw_row_count(size(), "one");
        return (*this)[0];
    }

    /// Returns the only row, or nothing if there is none. Throws bad_result if there are more.
    [[nodiscard]] std::optional<Row> maybe_one() const
    {
        if (size() > 1) detail::throw_row_count(size(), "at most one");
        return empty() ? std::optional<Row>() : std::optional<Row>((*this)[0]);
    }

    [[nodiscard]] result_set const& untyped() const noexcept { return result_; }

    class iterator {
    public:
        using iterator_concept = std::random_access_iterator_tag;
        using iterator_category = std::input_iterator_tag;  // it returns values, not references
        using value_type = Row;
        using reference = Row;
        using pointer = void;
        using difference_type = std::ptrdiff_t;

        iterator() = default;
        iterator(rows const& of, std::size_t row) noexcept : of_(&of), row_(static_cast<difference_type>(row)) {}

        Row operator*() const { return (*of_)[static_cast<std::size_t>(row_)]; }
        Row operator[](difference_type n) const { return *(*this + n); }
        iterator& operator++() noexcept { return *this += 1; }
        iterator& operator--() noexcept { return *this -= 1; }
        iterator operator++(int) noexcept { return std::exchange(*this, *this + 1); }
        iterator operator--(int) noexcept { return std::exchange(*this, *this - 1); }
        iterator& operator+=(difference_type n) noexcept { return row_ += n, *this; }
        iterator& operator-=(difference_type n) noexcept { return row_ -= n, *this; }
        friend iterator operator+(iterator a, difference_type n) noexcept { return a += n; }
        friend iterator operator+(difference_type n, iterator a) noexcept { return a += n; }
        friend iterator operator-(iterator a, difference_type n) noexcept { return a -= n; }
        friend difference_type operator-(iterator a, iterator b) noexcept { return a.row_ - b.row_; }
        friend bool operator==(iterator a, iterator b) noexcept { return a.row_ == b.row_; }
        friend auto operator<=>(iterator a, iterator b) noexcept { return a.row_ <=> b.row_; }

    private:
        rows const* of_ = nullptr;
        difference_type row_ = 0;
    };

    /// *Lifetime*: iterators are valid until this object is moved or destroyed.
    [[nodiscard]] iterator begin() const noexcept { return iterator(*this, 0); }
    [[nodiscard]] iterator end() const noexcept { return iterator(*this, size()); }

private:
    result_set result_{};
    row_decoder<Row> decoder_{};
};

}  // namespace pgtally::db
