#pragma once

#include <pgtally/db/codec.hpp>
#include <pgtally/db/result.hpp>

#include <array>
#include <compare>
#include <cstddef>
#include <iterator>
#include <optional>
#include <string>
#include <tuple>
#include <utility>

namespace pgtally::db {

namespace detail {
using type_check = bool (*)(std::uint32_t) noexcept;
struct column_check {
    type_check takes;
    std::string_view wanted;
};
// Throw error (bad_result). `columns` describes `count` columns.
void check_columns(result_set const& result, column_check const* columns, std::size_t count);
[[noreturn]] void throw_null(result_set const& result, std::size_t row, std::size_t column);
[[noreturn]] void throw_row_count(std::size_t rows, char const* wanted);
}  // namespace detail

template <class Row>
class rows;

/// The rows of a result as tuples, a random-access range of values: each access decodes. Whether
/// the count of columns and their types fit is checked once, when the result has come; an error
/// names the column and both types. A NULL where the tuple has no std::optional throws bad_result
/// on access.
///
///   std::int16_t, int32_t, int64_t   smallint, integer, bigint or smaller, xid8 (int64_t)
///   bool, double                     boolean; double precision, real
///   std::string, std::string_view    text, character varying, character, name, json, jsonb, xml;
///   the
///                                    view lives as long as these rows
///   std::vector<std::int64_t>        bigint[], integer[], smallint[] of one dimension, without
///   NULLs std::vector<std::string>         text[], character varying[], name[], likewise
///   std::optional<T>                 the same or NULL
///
/// Of any other type (numeric, timestamps, uuid, enums) select `x::text`.
template <class... T>
class rows<std::tuple<T...>> {
    static_assert(sizeof...(T) > 0);

public:
    using value_type = std::tuple<T...>;

    rows() = default;

    /// Of a result in binary format. Throws error (bad_result).
    explicit rows(result_set result) : result_(std::move(result))
    {
        std::array<detail::column_check, sizeof...(T)> const checks{
            detail::column_check{&codec::column<T>::takes, codec::column<T>::wanted}...};
        detail::check_columns(result_, checks.data(), checks.size());
        for (std::size_t i = 0; i < oids_.size(); ++i) oids_[i] = result_.type_oid(i);
    }

    [[nodiscard]] std::size_t size() const noexcept { return result_.size(); }
    [[nodiscard]] bool empty() const noexcept { return result_.empty(); }

    /// Throws bad_result for a NULL that the tuple does not take, std::out_of_range.
    [[nodiscard]] value_type operator[](std::size_t row) const { return decode(row, std::index_sequence_for<T...>()); }

    /// The only row; throws bad_result if there is none or more.
    [[nodiscard]] value_type one() const
    {
        if (size() != 1) detail::throw_row_count(size(), "one");
        return (*this)[0];
    }

    /// The only row or none; throws bad_result if there are more.
    [[nodiscard]] std::optional<value_type> maybe_one() const
    {
        if (size() > 1) detail::throw_row_count(size(), "at most one");
        return empty() ? std::optional<value_type>() : std::optional<value_type>((*this)[0]);
    }

    [[nodiscard]] result_set const& untyped() const noexcept { return result_; }

    class iterator {
    public:
        using iterator_concept = std::random_access_iterator_tag;
        using iterator_category = std::input_iterator_tag;  // it gives values, not references
        using value_type = std::tuple<T...>;
        using reference = value_type;
        using pointer = void;
        using difference_type = std::ptrdiff_t;

        iterator() = default;
        iterator(rows const& of, std::size_t row) noexcept : of_(&of), row_(static_cast<difference_type>(row)) {}

        value_type operator*() const { return (*of_)[static_cast<std::size_t>(row_)]; }
        value_type operator[](difference_type n) const { return *(*this + n); }
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

    /// Valid while these rows live where they are.
    [[nodiscard]] iterator begin() const noexcept { return iterator(*this, 0); }
    [[nodiscard]] iterator end() const noexcept { return iterator(*this, size()); }

private:
    template <std::size_t... I>
    value_type decode(std::size_t row, std::index_sequence<I...>) const
    {
        return value_type{value<T>(row, I)...};
    }

    template <class V>
    V value(std::size_t row, std::size_t column) const
    {
        auto const bytes = result_.text(row, column);
        if (bytes.empty() && result_.is_null(row, column)) {  // a NULL is empty: one call for the others
            if constexpr (codec::column<V>::nullable) return V();
            else detail::throw_null(result_, row, column);
        }
        return codec::column<V>::decode(oids_[column], bytes);
    }

    result_set result_{};
    std::array<std::uint32_t, sizeof...(T)> oids_{};
};

}  // namespace pgtally::db
