#pragma once

#include <pgtally/db/codec.hpp>

#include <boost/uuid/uuid.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pgtally::db {

/// A JSON text that is not parsed, for columns and parameters of json and jsonb. json.hpp has parsed values.
struct json {
    json() = default;
    explicit json(std::string value) : text(std::move(value)) {}

    std::string text{};
    friend bool operator==(json const&, json const&) = default;
};

namespace detail {
bool is_text(std::uint32_t type) noexcept;
std::string_view read_text(std::uint32_t type, std::string_view bytes);
void append_text(std::string& to, std::string_view value);  // throws bad_parameter for a NUL
boost::uuids::uuid read_uuid(std::string_view bytes);
}  // namespace detail

/// As a column: a view into the rows<> that it was read from.
template <>
struct codec<std::string_view> {
    static constexpr std::uint32_t type = oids::text;
    static constexpr bool typed = false;
    static std::string name() { return "text"; }
    static void print(std::string& to, std::string_view value) { to += value; }
    static void encode(std::string& to, std::string_view value) { detail::append_text(to, value); }
    static bool takes(std::uint32_t from) noexcept { return detail::is_text(from); }
    static std::string_view decode(std::uint32_t from, std::string_view bytes)
    {
        return detail::read_text(from, bytes);
    }
};

template <>
struct codec<std::string> : codec<std::string_view> {
    static std::string decode(std::uint32_t from, std::string_view bytes)
    {
        return std::string(detail::read_text(from, bytes));
    }
};

/// As a parameter it has no type, so that both json and jsonb accept it.
template <>
struct codec<json> {
    static constexpr std::uint32_t type = oids::json;
    static constexpr bool typed = false;
    static std::string name() { return "json"; }
    static void print(std::string& to, json const& value) { to += value.text; }
    static void encode(std::string& to, json const& value) { detail::append_text(to, value.text); }
    static bool takes(std::uint32_t from) noexcept { return from == oids::json || from == oids::jsonb; }
    static json decode(std::uint32_t from, std::string_view bytes)
    {
        return json(std::string(detail::read_text(from, bytes)));
    }
};

/// As a column: a view into the rows<> that it was read from.
template <>
struct codec<std::span<std::byte const>> {
    using bytes_view = std::span<std::byte const>;
    static constexpr std::uint32_t type = oids::bytea;
    static constexpr bool typed = true;
    static std::string name() { return "bytea"; }
    static void encode(std::string& to, bytes_view value)
    {
        to.append(reinterpret_cast<char const*>(value.data()), value.size());
    }
    static bool takes(std::uint32_t from) noexcept { return from == oids::bytea; }
    static bytes_view decode(std::uint32_t, std::string_view bytes) { return std::as_bytes(std::span(bytes)); }
};

template <>
struct codec<std::vector<std::byte>> : codec<std::span<std::byte const>> {
    static std::vector<std::byte> decode(std::uint32_t, std::string_view bytes)
    {
        auto const from = std::as_bytes(std::span(bytes));
        return {from.begin(), from.end()};
    }
};

template <>
struct codec<boost::uuids::uuid> {
    static constexpr std::uint32_t type = oids::uuid;
    static constexpr bool typed = true;
    static std::string name() { return "uuid"; }
    static void encode(std::string& to, boost::uuids::uuid const& value) { to.append(value.begin(), value.end()); }
    static bool takes(std::uint32_t from) noexcept { return from == oids::uuid; }
    static boost::uuids::uuid decode(std::uint32_t, std::string_view bytes) { return detail::read_uuid(bytes); }
};

}  // namespace pgtally::db
