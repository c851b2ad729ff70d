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

/// The parameters of one statement, copied out of the caller's values, so that a statement may wait
/// as long as it likes. types.hpp has the types that they may have, and how each travels.
class params {
public:
    /// Statements with no more have their parameters without an allocation but for the values.
    static constexpr std::size_t inline_count = 8;
    /// The longest that a value of PostgreSQL can be, in bytes.
    static constexpr std::size_t max_value_bytes = 0x3fff'ffff;

    template <class T>
    using list = boost::container::small_vector<T, inline_count>;

    /// Per parameter: the OID of its type (0: unspecified), where it is (null for NULL, NUL-terminated
    /// if text), its length, and 1 if it is binary.
    struct wire {
        list<std::uint32_t> types;
        list<char const*> values;
        list<int> lengths;
        list<int> formats;
    };

    params() = default;

    /// Throws nothing but what a codec of yours throws, and std::bad_alloc: see problem().
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

    /// Why they cannot be sent: the first of them that holds a NUL character, which no text of
    /// PostgreSQL can, or a value that PostgreSQL cannot hold. "parameter $2 holds ..."; empty: they can.
    [[nodiscard]] std::string const& problem() const noexcept { return problem_; }

    /// As libpq takes them; valid until these change.
    [[nodiscard]] wire to_wire() const;

    /// What a statement is prepared by besides its text: empty if all types are unspecified.
    [[nodiscard]] std::string type_key() const;

private:
    static constexpr std::size_t null_value = static_cast<std::size_t>(-1);
    static constexpr std::size_t usual_room = 24;

    struct slot {
        std::size_t begin;  // null_value: NULL
        int length;
        std::uint32_t type;
    };

    // A guess, but for texts: one allocation for most.
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
        static_assert(!detail::character<T>, "a character: pass a string, or cast it to an integer");
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
            static_assert(has_codec<T>, "not a type of parameters: see types.hpp, which also shows how to add one");
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

    // The same for a NULL as for a value: a statement is prepared once for both.
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

    std::string values_{};  // one behind the other, a NUL after each text
    list<slot> slots_{};
    std::string problem_{};
};

}  // namespace pgtally::db
