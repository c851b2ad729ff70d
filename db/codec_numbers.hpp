#pragma once

#include <pgtally/db/codec.hpp>

#include <array>
#include <bit>
#include <charconv>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <type_traits>

namespace pgtally::db {
namespace detail {

template <class T>
concept character = std::same_as<T, char> || std::same_as<T, wchar_t> || std::same_as<T, char8_t> ||
                    std::same_as<T, char16_t> || std::same_as<T, char32_t>;
template <class T>
concept integer = std::integral<T> && !std::same_as<T, bool> && !character<T> && !std::is_const_v<T>;
template <class T>
concept signed_column = integer<T> && std::is_signed_v<T> && (sizeof(T) >= 2);
template <class T>
concept unsigned_column = integer<T> && std::is_unsigned_v<T> && sizeof(T) == 4;

/// The size in bytes of smallint, integer, bigint and xid8 (whose values stay below 2^63); 0 for other types.
std::size_t integer_size(std::uint32_t type) noexcept;

template <class T>
void print_number(std::string& to, T value)
{
    std::array<char, 40> digits;  // the shortest form of a double has at most 24
    auto const end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
    to.append(digits.data(), end);
}

void print_float(std::string& to, float value);
void print_float(std::string& to, double value);
double read_float(std::uint32_t type, std::string_view bytes);
bool read_bool(std::string_view bytes);

constexpr std::uint32_t integer_type(std::size_t size, bool is_signed) noexcept
{
    if (!is_signed) return size == 4 ? oids::oid : oids::unspecified;
    return size == 8 ? oids::int8 : size == 4 ? oids::int4 : size == 2 ? oids::int2 : oids::unspecified;
}

}  // namespace detail

/// Parameters: any integer type. Columns: signed integers of 16, 32 and 64 bits, and unsigned integers of 32 bits
/// for oid and xid.
template <detail::integer T>
struct codec<T> {
    static constexpr std::uint32_t type = detail::integer_type(sizeof(T), std::is_signed_v<T>);
    static constexpr bool typed = false;
    static std::string name() { return oids::type_name(type); }

    static void print(std::string& to, T value) { detail::print_number(to, value); }
    static void encode(std::string& to, T value)
        requires detail::signed_column<T> || detail::unsigned_column<T>
    {
        detail::append_integer(to, static_cast<std::uint64_t>(value), sizeof(T));
    }

    static bool takes(std::uint32_t from) noexcept
    {
        if constexpr (std::is_unsigned_v<T>) return from == oids::oid || from == oids::xid;
        auto const size = detail::integer_size(from);
        return size > 0 && size <= sizeof(T);
    }
    static T decode(std::uint32_t, std::string_view bytes)
        requires detail::unsigned_column<T>
    {
        return static_cast<T>(detail::read_integer(bytes, 4));
    }
    static T decode(std::uint32_t from, std::string_view bytes)
        requires detail::signed_column<T>
    {
        return static_cast<T>(detail::read_integer(bytes, detail::integer_size(from)));
    }
};

template <>
struct codec<bool> {
    static constexpr std::uint32_t type = oids::boolean;
    static constexpr bool typed = false;
    static std::string name() { return "boolean"; }
    static void print(std::string& to, bool value) { to += value ? 't' : 'f'; }
    static void encode(std::string& to, bool value) { to += value ? '\1' : '\0'; }
    static bool takes(std::uint32_t from) noexcept { return from == oids::boolean; }
    static bool decode(std::uint32_t, std::string_view bytes) { return detail::read_bool(bytes); }
};

template <>
struct codec<double> {
    static constexpr std::uint32_t type = oids::float8;
    static constexpr bool typed = false;
    static std::string name() { return "double precision"; }
    static void print(std::string& to, double value) { detail::print_float(to, value); }
    static void encode(std::string& to, double value)
    {
        detail::append_integer(to, std::bit_cast<std::uint64_t>(value), 8);
    }
    static bool takes(std::uint32_t from) noexcept { return from == oids::float8 || from == oids::float4; }
    static double decode(std::uint32_t from, std::string_view bytes) { return detail::read_float(from, bytes); }
};

template <>
struct codec<float> {
    static constexpr std::uint32_t type = oids::float4;
    static constexpr bool typed = false;
    static std::string name() { return "real"; }
    static void print(std::string& to, float value) { detail::print_float(to, value); }
    static void encode(std::string& to, float value)
    {
        detail::append_integer(to, std::bit_cast<std::uint32_t>(value), 4);
    }
    static bool takes(std::uint32_t from) noexcept { return from == oids::float4; }
    static float decode(std::uint32_t from, std::string_view bytes)
    {
        return static_cast<float>(detail::read_float(from, bytes));
    }
};

}  // namespace pgtally::db
