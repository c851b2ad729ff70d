#pragma once

#include <pgtally/db/error.hpp>
#include <pgtally/db/types.hpp>

#include <boost/container/small_vector.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace pgtally::db {

/// The parameters of one statement. They are copied from the caller's values, so that the statement may wait.
/// types.hpp lists the types and how each is sent.
class params {
public:
    /// Up to this many parameters need no allocation except for their values.
    static constexpr std::size_t inline_count = 8;
    /// The largest size of a PostgreSQL value, in bytes.
    static constexpr std::size_t max_value_bytes = 0x3fff'ffff;

    template <class T>
    using list = boost::container::small_vector<T, inline_count>;

    /// The arrays for PQsendQueryParams, one entry per parameter: the OID of its type (0: unspecified), its value
    /// (null for NULL, NUL-terminated if text), its length in bytes, and its format (1 if binary).
    struct wire {
        list<std::uint32_t> types;
        list<char const*> values;
        list<int> lengths;
        list<int> formats;
    };

    params() = default;

    /// *Errors*: throws only what a custom codec throws, and std::bad_alloc. problem() reports values that cannot
    /// be sent.
    template <class... P>
    explicit params(std::in_place_t, P const&... values)
    {
        static_assert(sizeof...(P) <= 65'535, "PostgreSQL takes at most 65535 parameters");
        slots_.reserve(sizeof...(P));
        values_.reserve((room_for(values) + ... + std::size_t{0}));
        (add(values), ...);
    }

    [[nodiscard]] std::size_t size() const noexcept { return slots_.size(); }
    [[nodiscard]] std::size_t bytes() const noexcept { return values_.size(); }

    /// Why the parameters cannot be sent; empty if they can. Names the first parameter that holds a NUL character
    /// or a value that PostgreSQL cannot hold: "parameter $2 holds ...".
    [[nodiscard]] std::string const& problem() const noexcept { return problem_; }

    /// The parameters as libpq takes them; valid until this object changes.
    [[nodiscard]] wire to_wire() const;

    /// The part of a prepared statement's key besides its text: the types of the parameters; empty if all are
    /// unspecified.
    [[nodiscard]] std::string type_key() const;

private:
    static constexpr std::size_t null_value = static_cast<std::size_t>(-1);
    static constexpr std::size_t usual_room = 24;

    struct slot {
        std::size_t begin;  // null_value: NULL
        int length;
        std::uint32_t type;
    };

    // An estimate, exact only for texts; it makes one allocation enough for most statements.
    template <class T>
    static std::size_t room_for(T const& value) noexcept
    {
        if constexpr (requires {
                          { value.size() } -> std::convertible_to<std::size_t>;
                      })
            return value.size() <= max_value_bytes ? value.size() + usual_room : usual_room;
        return usual_room;
    }

    template <class T>
    void add(T const& value)
    {
        static_assert(!detail::character<T>,
                      "a character is not a parameter type: pass a string, or cast it to an integer");
        if constexpr (std::same_as<T, std::nullptr_t> || std::same_as<T, std::nullopt_t>) {
            add_null(oids::unspecified);
        } else if constexpr (detail::is_nullable<T>) {
            if (value) add(*value);
            else add_null(type_of<detail::value_of<T>>());
        } else if constexpr (std::is_convertible_v<T const&, char const*>) {
            char const* const text = value;
            if (text != nullptr) add_text(text);
            else add_null(oids::unspecified);
        } else if constexpr (std::is_convertible_v<T const&, std::string_view>) {
            add_text(value);
        } else if constexpr (!has_codec<T> && std::is_convertible_v<T const&, std::span<std::byte const>>) {
            add(std::span<std::byte const>(value));
        } else {
            static_assert(has_codec<T>, "not a parameter type: types.hpp lists them and shows how to add one");
            if constexpr (has_codec<T>) add_by_codec(value);
        }
    }

    template <class T>
    void add_by_codec(T const& value)
    {
        auto const begun = values_.size();
        try {
            if constexpr (codec<T>::typed) codec<T>::encode(values_, value);
            else codec<T>::print(values_, value);
        } catch (error const& refusal) {
            refuse(refusal.what());
        }
        end_value(begun, type_of<T>(), std::is_arithmetic_v<T>);
    }

    // A NULL has the same type as a value, so that a statement is prepared once for both.
    template <class T>
    static constexpr std::uint32_t type_of() noexcept
    {
        if constexpr (has_codec<T>) return codec<T>::typed ? codec<T>::type : oids::unspecified;
        return oids::unspecified;
    }

    void add_null(std::uint32_t type);
    void add_text(std::string_view value);
    void end_value(std::size_t begun, std::uint32_t type, bool is_number);
    void add_slot(std::size_t begun, std::size_t length, std::uint32_t type);
    void refuse(std::string_view why);

    std::string values_{};  // values one after the other, with a NUL after each text
    list<slot> slots_{};
    std::string problem_{};
};

}  // namespace pgtally::db
