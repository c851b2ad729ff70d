#pragma once

#include <pgtally/db/oid.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

namespace pgtally::db {

/// How a C++ type is sent and received. types.hpp lists the known types and shows how to add one.
///
///   static constexpr std::uint32_t type   the OID of its PostgreSQL type; 0: no counterpart
///   static constexpr bool typed           parameters: true: binary, with this type; false: text of
///                                         unspecified type
///   static std::string name()             the type's name in error messages
///   print(std::string& to, T)             parameters that are not typed: appends the text
///   encode(std::string& to, T)            typed parameters and COPY: appends PostgreSQL's binary format
///   takes(type) -> bool                   columns: true if T can be read from a column of this type
///   decode(type, bytes) -> T              columns and COPY: reads the binary format
///
/// *Errors*: encode throws error (bad_parameter) if PostgreSQL cannot hold the value. decode throws error
/// (bad_result) if the bytes do not match the type or if T cannot hold the value.
template <class T>
struct codec {
    using unknown_type = void;
};

template <class T>
concept has_codec = !requires { typename codec<T>::unknown_type; };

/// A type that a result column can be read into.
template <class T>
concept column_type = has_codec<T> && requires(std::string_view bytes) {
    { codec<T>::decode(oids::text, bytes) } -> std::convertible_to<T>;
};

/// A type that a column of a binary COPY can be written from and read into.
template <class T>
concept copy_type = column_type<T> && codec<T>::type != oids::unspecified &&
                    requires(std::string& to, T const& value) { codec<T>::encode(to, value); };

namespace detail {

template <class T>
struct nullable {
    using type = T;
    static constexpr bool value = false;
};
template <class T>
struct nullable<std::optional<T>> {
    using type = T;
    static constexpr bool value = true;
};

/// T, for both std::optional<T> and T.
template <class T>
using value_of = typename nullable<T>::type;
template <class T>
inline constexpr bool is_nullable = nullable<T>::value;

[[noreturn]] void throw_malformed(std::string_view what);
[[noreturn]] void throw_bad_result(std::string const& what);
[[noreturn]] void throw_bad_parameter(std::string const& what);

/// Integers in network byte order. `size` is 2, 4 or 8 bytes.
void append_integer(std::string& to, std::uint64_t value, std::size_t size);
std::uint64_t read_unsigned(std::string_view bytes) noexcept;

/// Reads a sign-extended integer. Throws bad_result unless `bytes` has `size` bytes: 2, 4 or 8.
std::int64_t read_integer(std::string_view bytes, std::size_t size);

/// Takes numbers and bytes off the front. Throws bad_result if the input is too short.
class reader {
public:
    explicit reader(std::string_view bytes) : left_(bytes) {}

    std::string_view take(std::size_t count);
    std::int32_t take_int32() { return static_cast<std::int32_t>(read_integer(take(4), 4)); }
    [[nodiscard]] std::size_t left() const noexcept { return left_.size(); }

private:
    std::string_view left_;
};

}  // namespace detail
}  // namespace pgtally::db
