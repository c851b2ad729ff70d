#pragma once

#include <pgtally/db/codec.hpp>
#include <pgtally/db/codec_numbers.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace pgtally::db {
namespace detail {

/// Appends a value in double quotes, with the escapes of array literals (PostgreSQL manual, "Array Input and
/// Output Syntax").
void append_quoted(std::string& to, std::string_view value);

/// Appends the header of a binary array of one dimension, or of none if it is empty.
void append_array_header(std::string& to, std::size_t count, bool has_nulls, std::uint32_t element);
/// Reserves the length field of an element, and fills it in when the element has been appended.
std::size_t begin_element(std::string& to);
void end_element(std::string& to, std::size_t begun);
void append_null_element(std::string& to);

/// Reads the elements of a binary array one by one.
class array_reader {
public:
    explicit array_reader(std::string_view bytes);

    [[nodiscard]] std::size_t size() const noexcept { return count_; }
    [[nodiscard]] std::uint32_t element_type() const noexcept { return element_; }

    /// Reads the next element into `value`. Returns false if it is NULL.
    bool next(std::string_view& value);
    /// Throws bad_result if bytes follow the last element.
    void end() const;

private:
    reader in_;
    std::uint32_t element_ = 0;
    std::size_t count_ = 0;
};

[[noreturn]] void throw_null_element(std::size_t number, std::string const& wanted);
[[noreturn]] void throw_element_type(std::uint32_t found, std::string const& wanted);

template <class T>
concept element_type = !std::same_as<T, std::byte> && has_codec<value_of<T>> && !requires {
    typename codec<value_of<T>>::element;  // arrays of arrays are not supported
};

}  // namespace detail

/// An array of one dimension.
template <detail::element_type T>
struct codec<std::vector<T>> {
    using element = T;
    using value_codec = codec<detail::value_of<T>>;
    static constexpr std::uint32_t type = oids::array_of(value_codec::type);
    static constexpr bool typed = value_codec::typed;
    static std::string name() { return value_codec::name() + "[]"; }

    static void print(std::string& to, std::vector<T> const& values)
        requires(!typed)
    {
        char separator = '{';
        for (auto const& each : values) {
            to += std::exchange(separator, ',');
            print_element(to, each);
        }
        to += values.empty() ? "{}" : "}";
    }

    static void encode(std::string& to, std::vector<T> const& values)
        requires(type != oids::unspecified)
    {
        bool has_nulls = false;
        if constexpr (detail::is_nullable<T>) {
            for (auto const& each : values) has_nulls = has_nulls || !each;
        }
        detail::append_array_header(to, values.size(), has_nulls, value_codec::type);
        for (auto const& each : values) encode_element(to, each);
    }

    static bool takes(std::uint32_t from) noexcept
    {
        auto const of = oids::element_of(from);
        return of != 0 ? value_codec::takes(of) : from >= oids::first_created && value_codec::takes(from);
    }

    static std::vector<T> decode(std::uint32_t, std::string_view bytes)
        requires column_type<detail::value_of<T>>
    {
        detail::array_reader in(bytes);
        if (!value_codec::takes(in.element_type())) detail::throw_element_type(in.element_type(), value_codec::name());
        std::vector<T> values;
        values.reserve(in.size());
        for (std::size_t number = 1; number <= in.size(); ++number) {
            std::string_view value;
            if (in.next(value)) values.push_back(value_codec::decode(in.element_type(), value));
            else if constexpr (detail::is_nullable<T>) values.push_back(T());
            else detail::throw_null_element(number, value_codec::name());
        }
        in.end();
        return values;
    }

private:
    template <class V>
    static void print_element(std::string& to, V const& value)
    {
        if constexpr (detail::is_nullable<V>) {
            if (value) print_element(to, *value);
            else to += "NULL";
        } else if constexpr (std::is_arithmetic_v<V>) {
            codec<V>::print(to, value);
        } else if constexpr (std::is_convertible_v<V const&, std::string_view>) {
            detail::append_quoted(to, value);
        } else {
            std::string text;
            codec<V>::print(text, value);
            detail::append_quoted(to, text);
        }
    }

    template <class V>
    static void encode_element(std::string& to, V const& value)
    {
        if constexpr (detail::is_nullable<V>) {
            if (value) encode_element(to, *value);
            else detail::append_null_element(to);
        } else {
            auto const begun = detail::begin_element(to);
            codec<V>::encode(to, value);
            detail::end_element(to, begun);
        }
    }
};

}  // namespace pgtally::db
