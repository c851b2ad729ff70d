#pragma once

#include <pgtally/db/types.hpp>

#include <boost/pfr/core.hpp>
#include <boost/pfr/tuple_size.hpp>

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace pgtally::db {

namespace detail {

template <class T>
struct is_tuple : std::false_type {};
template <class... T>
struct is_tuple<std::tuple<T...>> : std::true_type {};

template <class T>
inline constexpr bool is_single = column_type<value_of<T>>;

// A struct that Boost.PFR can take apart: no base, no constructor, no union, up to 100 fields.
template <class T>
inline constexpr bool is_struct = std::is_aggregate_v<T> && !std::is_array_v<T> && !std::is_union_v<T>;

template <class T>
inline constexpr bool is_view = std::is_same_v<T, std::string_view> || std::is_same_v<T, std::span<std::byte const>>;
template <class T>
inline constexpr bool is_view<std::optional<T>> = is_view<T>;
template <class T>
inline constexpr bool is_view<std::vector<T>> = is_view<T>;

}  // namespace detail

/// The columns of a Row at compile time: the fields of a std::tuple or of a plain struct (in order, by
/// Boost.PFR), or the single value of any other type.
///
///   width                       the number of columns
///   column<I>                   the type of column I, which may be std::optional
///   make(f)                     a Row of f(std::integral_constant<std::size_t, I>()), called in order
///   get<I>(row)                 the value of column I
template <class Row>
struct row_traits {
    static_assert(detail::is_struct<Row>,
                  "a Row is a std::tuple, a plain struct, or one type of a column: see types.hpp");
    static constexpr std::size_t width = boost::pfr::tuple_size_v<Row>;
    template <std::size_t I>
    using column = boost::pfr::tuple_element_t<I, Row>;

    template <class F>
    static Row make(F&& f)
    {
        return make(f, std::make_index_sequence<width>());
    }
    template <std::size_t I>
    static auto const& get(Row const& row) noexcept
    {
        return boost::pfr::get<I>(row);
    }

private:
    template <class F, std::size_t... I>
    static Row make(F& f, std::index_sequence<I...>)
    {
        return Row{f(std::integral_constant<std::size_t, I>())...};
    }
};

template <class... T>
struct row_traits<std::tuple<T...>> {
    using row = std::tuple<T...>;
    static constexpr std::size_t width = sizeof...(T);
    template <std::size_t I>
    using column = std::tuple_element_t<I, row>;

    template <class F>
    static row make(F&& f)
    {
        return make(f, std::make_index_sequence<width>());
    }
    template <std::size_t I>
    static auto const& get(row const& of) noexcept
    {
        return std::get<I>(of);
    }

private:
    template <class F, std::size_t... I>
    static row make(F& f, std::index_sequence<I...>)
    {
        return row{f(std::integral_constant<std::size_t, I>())...};
    }
};

template <class T>
    requires detail::is_single<T>
struct row_traits<T> {
    static constexpr std::size_t width = 1;
    template <std::size_t I>
    using column = T;

    template <class F>
    static T make(F&& f)
    {
        return f(std::integral_constant<std::size_t, 0>());
    }
    template <std::size_t I>
    static T const& get(T const& of) noexcept
    {
        return of;
    }
};

/// True if each column satisfies a predicate; for static_assert.
template <class Row, template <class> class Predicate>
inline constexpr bool all_columns = []<std::size_t... I>(std::index_sequence<I...>) {
    return (Predicate<typename row_traits<Row>::template column<I>>::value && ...);
}(std::make_index_sequence<row_traits<Row>::width>());

}  // namespace pgtally::db
