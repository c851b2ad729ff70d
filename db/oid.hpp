#pragma once

#include <cstdint>
#include <string>
#include <string_view>

/// OIDs of PostgreSQL's built-in types, which never change (src/include/catalog/pg_type.dat).
namespace pgtally::db::oids {

inline constexpr std::uint32_t unspecified = 0;  ///< a parameter whose type follows from its position in the statement
inline constexpr std::uint32_t boolean = 16;
inline constexpr std::uint32_t bytea = 17;
inline constexpr std::uint32_t single_char = 18;
inline constexpr std::uint32_t name = 19;
inline constexpr std::uint32_t int8 = 20;
inline constexpr std::uint32_t int2 = 21;
inline constexpr std::uint32_t int4 = 23;
inline constexpr std::uint32_t text = 25;
inline constexpr std::uint32_t oid = 26;
inline constexpr std::uint32_t xid = 28;
inline constexpr std::uint32_t json = 114;
inline constexpr std::uint32_t xml = 142;
inline constexpr std::uint32_t float4 = 700;
inline constexpr std::uint32_t float8 = 701;
inline constexpr std::uint32_t unknown = 705;
inline constexpr std::uint32_t bpchar = 1042;
inline constexpr std::uint32_t varchar = 1043;
inline constexpr std::uint32_t date = 1082;
inline constexpr std::uint32_t timestamp = 1114;
inline constexpr std::uint32_t timestamptz = 1184;
inline constexpr std::uint32_t uuid = 2950;
inline constexpr std::uint32_t jsonb = 3802;
inline constexpr std::uint32_t xid8 = 5069;

/// OIDs of created types (enums, composites, types of extensions) begin here.
inline constexpr std::uint32_t first_created = 16'384;

/// A type, its array type, and its name in PostgreSQL.
struct type {
    std::uint32_t number;
    std::uint32_t array;  ///< 0: none
    std::string_view called;
};

inline constexpr type types[] = {
    {boolean, 1000, "boolean"},
    {bytea, 1001, "bytea"},
    {single_char, 1002, "\"char\""},
    {name, 1003, "name"},
    {int8, 1016, "bigint"},
    {int2, 1005, "smallint"},
    {int4, 1007, "integer"},
    {text, 1009, "text"},
    {oid, 1028, "oid"},
    {xid, 1011, "xid"},
    {json, 199, "json"},
    {xml, 143, "xml"},
    {float4, 1021, "real"},
    {float8, 1022, "double precision"},
    {unknown, 0, "unknown"},
    {bpchar, 1014, "character"},
    {varchar, 1015, "character varying"},
    {date, 1182, "date"},
    {timestamp, 1115, "timestamp"},
    {timestamptz, 1185, "timestamp with time zone"},
    {uuid, 2951, "uuid"},
    {jsonb, 3807, "jsonb"},
    {xid8, 271, "xid8"},
    // No C++ type reads these; they are listed for error messages.
    {1083, 1183, "time"},
    {1186, 1187, "interval"},
    {1266, 1270, "time with time zone"},
    {1560, 1561, "bit"},
    {1562, 1563, "bit varying"},
    {1700, 1231, "numeric"},
    {2249, 2287, "record"},
    {2278, 0, "void"},
    {3220, 3221, "pg_lsn"},
    {5038, 5039, "pg_snapshot"},
    {869, 1041, "inet"},
    {650, 651, "cidr"},
    {2205, 2210, "regclass"},
};

/// element_of() returns the element type of a built-in array type, array_of() the array type of an element type;
/// 0 if none is known.
constexpr std::uint32_t element_of(std::uint32_t array) noexcept
{
    for (auto const& each : types)
        if (each.array == array && array != 0) return each.number;
    return 0;
}
constexpr std::uint32_t array_of(std::uint32_t element) noexcept
{
    for (auto const& each : types)
        if (each.number == element) return each.array;
    return 0;
}

/// PostgreSQL's name of a built-in type; "type 12345" for others.
inline std::string type_name(std::uint32_t number)
{
    for (auto const& each : types) {
        if (each.number == number) return std::string(each.called);
        if (each.array != 0 && each.array == number) return std::string(each.called) + "[]";
    }
    return "type " + std::to_string(number);
}

}  // namespace pgtally::db::oids
