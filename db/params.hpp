#pragma once

#include <array>
#include <charconv>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pgtally::db {

/// The parameters of one statement, copied out of the caller's values, so that a statement may wait
/// as long as it likes.
///
/// Every value travels as text of unspecified type: PostgreSQL reads it as it reads a quoted
/// literal in that place, as an integer beside an integer column, as json behind `::json`. Where
/// the place says nothing ("select $1", "unnest($1)") write the cast: `$1::bigint`.
class params {
public:
    params() = default;

    /// Takes integers, bool, double, strings, std::vector of strings or integers (an array),
    /// std::optional of these, nullptr and std::nullopt (NULL). A char is refused: is it a number?
    template <class... P>
    explicit params(std::in_place_t, P const&... values)
    {
        static_assert(sizeof...(P) <= 65'535, "PostgreSQL takes at most 65535 parameters");
        slots_.reserve(sizeof...(P));
        (add(values), ...);
    }

    [[nodiscard]] std::size_t size() const noexcept { return slots_.size(); }
    [[nodiscard]] std::size_t bytes() const noexcept { return text_.size(); }

    /// The 1-based number of the first parameter that holds a NUL character, which no text of
    /// PostgreSQL can; 0: none does.
    [[nodiscard]] std::size_t first_with_nul() const noexcept { return first_with_nul_; }

    /// A pointer per parameter to its NUL-terminated text, null for NULL; valid until this changes.
    [[nodiscard]] std::vector<char const*> pointers() const;

private:
    static constexpr std::size_t null_slot = static_cast<std::size_t>(-1);

    void add(std::nullptr_t) { slots_.push_back(null_slot); }
    void add(std::nullopt_t) { slots_.push_back(null_slot); }
    void add(bool value) { add_text(value ? "t" : "f"); }
    void add(double value) { add_number(value); }
    void add(float value) { add_number(value); }
    void add(std::string_view value) { add_text(value); }
    void add(std::string const& value) { add_text(value); }
    void add(char const* value) { value == nullptr ? add(nullptr) : add_text(value); }
    void add(std::vector<std::string> const& values) { add_text(array_literal(values)); }

    template <std::integral T>
    void add(T value)
    {
        static_assert(!std::same_as<T, char> && !std::same_as<T, wchar_t>,
                      "a character: pass a string, or cast it to an integer");
        add_number(value);
    }

    template <std::integral T>
    void add(std::vector<T> const& values)
    {
        std::string literal{"{"};
        for (auto const value : values) {
            if (literal.size() > 1) literal += ',';
            literal += std::to_string(value);
        }
        add_text(literal += '}');
    }

    template <class T>
    void add(std::optional<T> const& value)
    {
        value ? add(*value) : add(nullptr);
    }

    template <class T>
    void add_number(T value)
    {
        std::array<char, 40> digits;  // a double's shortest form has at most 24
        auto const end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
        add_text({digits.data(), static_cast<std::size_t>(end - digits.data())});
    }

    void add_text(std::string_view value);
    [[nodiscard]] static std::string array_literal(std::vector<std::string> const& values);

    std::string text_;                // each value and a NUL
    std::vector<std::size_t> slots_;  // where each begins
    std::size_t first_with_nul_ = 0;
};

}  // namespace pgtally::db
