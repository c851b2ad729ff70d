#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// From PostgreSQL's binary format to C++: which column types a C++ type takes, and how. Used by
/// rows.
namespace pgtally::db::codec {

/// How PostgreSQL calls a built-in type, "type 12345" for others.
std::string type_name(std::uint32_t oid);

/// A column<T> has: nullable, takes(oid), wanted (for messages) and decode(oid, bytes). decode
/// throws error (bad_result) for bytes that are not what the type promises.
template <class T>
struct column;

std::int64_t decode_integer(std::string_view bytes);
double decode_float(std::string_view bytes);
bool decode_bool(std::string_view bytes);
std::string_view decode_text(std::uint32_t oid, std::string_view bytes);
std::vector<std::int64_t> decode_integers(std::string_view bytes);
std::vector<std::string> decode_texts(std::string_view bytes);

bool is_text(std::uint32_t oid) noexcept;
bool is_integers(std::uint32_t oid) noexcept;
bool is_texts(std::uint32_t oid) noexcept;

/// The size in bytes of smallint, integer, bigint and xid8 (which reaches no 2^63); 0 for all
/// others.
unsigned integer_size(std::uint32_t oid) noexcept;
bool is_float(std::uint32_t oid) noexcept;
bool is_bool(std::uint32_t oid) noexcept;

template <class T>
struct integer_column {
    static constexpr bool nullable = false;
    static bool takes(std::uint32_t oid) noexcept
    {
        auto const size = integer_size(oid);
        return size > 0 && size <= sizeof(T);
    }
    static T decode(std::uint32_t, std::string_view bytes) { return static_cast<T>(decode_integer(bytes)); }
};

template <>
struct column<std::int16_t> : integer_column<std::int16_t> {
    static constexpr std::string_view wanted = "smallint";
};
template <>
struct column<std::int32_t> : integer_column<std::int32_t> {
    static constexpr std::string_view wanted = "integer";
};
template <>
struct column<std::int64_t> : integer_column<std::int64_t> {
    static constexpr std::string_view wanted = "bigint";
};

template <>
struct column<bool> {
    static constexpr bool nullable = false;
    static constexpr std::string_view wanted = "boolean";
    static bool takes(std::uint32_t oid) noexcept { return is_bool(oid); }
    static bool decode(std::uint32_t, std::string_view bytes) { return decode_bool(bytes); }
};

template <>
struct column<double> {
    static constexpr bool nullable = false;
    static constexpr std::string_view wanted = "double precision";
    static bool takes(std::uint32_t oid) noexcept { return is_float(oid); }
    static double decode(std::uint32_t, std::string_view bytes) { return decode_float(bytes); }
};

/// A view into the rows<> it came from.
template <>
struct column<std::string_view> {
    static constexpr bool nullable = false;
    static constexpr std::string_view wanted = "text";
    static bool takes(std::uint32_t oid) noexcept { return is_text(oid); }
    static std::string_view decode(std::uint32_t oid, std::string_view bytes) { return decode_text(oid, bytes); }
};

template <>
struct column<std::string> : column<std::string_view> {
    static std::string decode(std::uint32_t oid, std::string_view bytes)
    {
        return std::string(decode_text(oid, bytes));
    }
};

template <>
struct column<std::vector<std::int64_t>> {
    static constexpr bool nullable = false;
    static constexpr std::string_view wanted = "bigint[]";
    static bool takes(std::uint32_t oid) noexcept { return is_integers(oid); }
    static std::vector<std::int64_t> decode(std::uint32_t, std::string_view bytes) { return decode_integers(bytes); }
};

template <>
struct column<std::vector<std::string>> {
    static constexpr bool nullable = false;
    static constexpr std::string_view wanted = "text[]";
    static bool takes(std::uint32_t oid) noexcept { return is_texts(oid); }
    static std::vector<std::string> decode(std::uint32_t, std::string_view bytes) { return decode_texts(bytes); }
};

template <class T>
struct column<std::optional<T>> : column<T> {
    static constexpr bool nullable = true;
};

}  // namespace pgtally::db::codec
