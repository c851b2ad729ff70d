#pragma once

#include <pgtally/db/codec.hpp>
#include <pgtally/db/codec_array.hpp>
#include <pgtally/db/codec_numbers.hpp>
#include <pgtally/db/codec_text.hpp>
#include <pgtally/db/codec_time.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace pgtally::db {

/// The types of parameters, columns and COPY.
///
///   C++ (parameter and column)           column in PostgreSQL                        parameter
///   -----------------------------------  ------------------------------------------  -----------
///   std::int16_t, int32_t, int64_t       smallint, integer, bigint or smaller; xid8  unspecified
///   std::uint32_t                        oid, xid                                    unspecified
///   any other integer, but characters    none                                        unspecified
///   bool                                 boolean                                     unspecified
///   double; float                        double precision, real; real                unspecified
///   std::string, std::string_view (1)    text, varchar, char(n), name, "char",       unspecified
///                                        json, jsonb, xml
///   db::json, boost::json::value (2)     json, jsonb                                 unspecified
///   std::vector<std::byte>,              bytea                                       bytea
///   std::span<std::byte const> (1)
///   boost::uuids::uuid                   uuid                                        uuid
///   std::chrono::sys_time<D>             timestamp with time zone                    the same
///   std::chrono::local_time<D>           timestamp                                   timestamp
///   std::chrono::sys_days, local_days,   date                                        date
///   year_month_day
///   std::vector<T>,                      array of one dimension (any lower bound)    as T
///   std::vector<std::optional<T>>
///   std::optional<T>                     the same or NULL                            as T
///   nullptr, std::nullopt, a null        none                                        unspecified
///   char const*
///   (1) As a column: a view into the rows it came from.    (2) With json.hpp.
///
/// Parameters of unspecified type are sent as text, and PostgreSQL infers the type from the position of `$1`, as
/// it does for a quoted literal. If the position does not determine a type ("select $1", "unnest($1)"), write the
/// cast: `$1::bigint`. The other parameters are binary and have their type, as if the cast were written. Columns
/// are always binary. Select other types (numeric, interval, enums) as `x::text`.
///
/// Times are exact to the microsecond. Parameters are rounded to the nearest microsecond. Columns are rounded
/// down to D, an integer period between picoseconds and decades. time_point::max() and min() mean infinity and
/// -infinity in both directions; so do those of sys_days and local_days. A time that PostgreSQL cannot hold
/// (before 4714 BC, after 294276) is bad_parameter. A time that the C++ type cannot hold is bad_result:
/// microseconds end in January 294247, nanoseconds in 2262, and year_month_day has no infinity.
///
/// NaN and infinite floats are preserved. An array with more than one dimension, or with a NULL where T is not
/// std::optional, is bad_result.
///
/// To add a type of your own, specialize codec. codec_as derives the codec from a known type:
///
///   template <>
///   struct pgtally::db::codec<color> : pgtally::db::codec_as<color, std::string_view> {
///       static std::string_view to_base(color value) { return value == color::red ? "red" : "blue"; }
///       static color from_base(std::string_view text);
///       static bool takes(std::uint32_t type) { return type >= oids::first_created; }
///   };
///
/// takes() may be omitted; the known type's takes() then applies. In the example it accepts columns of every
/// created type, because the OIDs of enums differ between databases and the binary format of an enum is its
/// label. from_base throws error (bad_result), and to_base throws error (bad_parameter), for values that they
/// refuse.
template <class T, class Base>
struct codec_as {
    static constexpr std::uint32_t type = codec<Base>::type;
    static constexpr bool typed = codec<Base>::typed;
    static std::string name() { return codec<Base>::name(); }
    static void print(std::string& to, T const& value)
        requires(!typed)
    {
        codec<Base>::print(to, codec<T>::to_base(value));
    }
    static void encode(std::string& to, T const& value) { codec<Base>::encode(to, codec<T>::to_base(value)); }
    static bool takes(std::uint32_t from) noexcept { return codec<Base>::takes(from); }
    static T decode(std::uint32_t from, std::string_view bytes)
    {
        return codec<T>::from_base(codec<Base>::decode(codec<Base>::takes(from) ? from : type, bytes));
    }
};

}  // namespace pgtally::db
