#pragma once

#include <pgtally/db/error.hpp>
#include <pgtally/db/result.hpp>
#include <pgtally/db/row_traits.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace pgtally::db {

namespace detail {

struct column_check {
    bool (*takes)(std::uint32_t);
    std::string (*name)();
};

// Throws error (bad_result) if the columns do not match. `columns` points to `count` checks.
void check_columns(result_set const& result, column_check const* columns, std::size_t count);
[[noreturn]] void throw_null(result_set const& result, std::size_t row, std::size_t column);
[[noreturn]] void throw_in_column(result_set const& result, std::size_t row, std::size_t column, error const& why);

template <class T>
struct is_column : std::bool_constant<column_type<value_of<T>>> {};

}  // namespace detail

/// Decodes rows of results in binary format. Row is a std::tuple, a plain struct or a single type (rows.hpp).
///
/// *Preconditions*: the columns and their types are checked once, against the first result. Later results must
/// come from the same statement, as the single rows of a stream do.
template <class Row>
class row_decoder {
    using traits = row_traits<Row>;
    static_assert(traits::width > 0, "a row without columns");
    static_assert(all_columns<Row, detail::is_column>, "a column has an unknown type: see types.hpp");

public:
    /// Empty: only assignment is allowed.
    row_decoder() = default;

    /// *Errors*: throws error (bad_result), which names the first column that does not match, and both types.
    explicit row_decoder(result_set const& first) : row_decoder(first, std::make_index_sequence<traits::width>()) {}

    /// *Lifetime*: views in the row are valid as long as `result`.
    ///
    /// *Errors*: error (bad_result) for a NULL that Row does not accept or a value that it cannot hold;
    /// std::out_of_range.
    [[nodiscard]] Row operator()(result_set const& result, std::size_t row) const
    {
        return traits::make([&]<std::size_t I>(std::integral_constant<std::size_t, I>) {
            return value<typename traits::template column<I>>(result, row, I);
        });
    }

private:
    template <std::size_t... I>
    row_decoder(result_set const& first, std::index_sequence<I...>)
    {
        std::array<detail::column_check, traits::width> const checks{check<typename traits::template column<I>>()...};
        detail::check_columns(first, checks.data(), checks.size());
        for (std::size_t i = 0; i < types_.size(); ++i) types_[i] = first.type_oid(i);
    }

    template <class V>
    static detail::column_check check() noexcept
    {
        using value_codec = codec<detail::value_of<V>>;
        return {&value_codec::takes, &value_codec::name};
    }

    template <class V>
    V value(result_set const& result, std::size_t row, std::size_t column) const
    {
        auto const bytes = result.text(row, column);
        if (bytes.empty() && result.is_null(row, column)) {  // NULL values are empty, so other values need one call
            if constexpr (detail::is_nullable<V>) return V();
            else detail::throw_null(result, row, column);
        }
        try {
            return codec<detail::value_of<V>>::decode(types_[column], bytes);
        } catch (error const& why) {
            detail::throw_in_column(result, row, column, why);
        }
    }

    std::array<std::uint32_t, traits::width> types_{};
};

}  // namespace pgtally::db
