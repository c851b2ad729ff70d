#pragma once

#include <pgtally/db/error.hpp>
#include <pgtally/db/row_traits.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

/// COPY's binary format, to and from bytes (PostgreSQL manual, "COPY", "Binary Format"). No I/O. copy_text.hpp
/// has the text format.
///
/// A Row is a std::tuple, a plain struct or a single type, as for rows<>. Its fields have the types of types.hpp,
/// except views and integers without a PostgreSQL counterpart.
///
/// COPY sends no types and converts nothing: each column must have exactly the PostgreSQL type of its C++ type.
/// std::int32_t is integer and nothing else, db::json is json and not jsonb, float is real. A decoder can check
/// only the lengths of values and the element types of arrays: a date that is read as std::int32_t gives a
/// meaningless number. So write the cast: `copy (select n::bigint from t) to stdout (format binary)`.
///
/// *Lifetime*: an encoder or decoder serves one COPY. Do not use it after an error.
namespace pgtally::db {

struct copy_limits {
    /// The largest row in bytes, including its length fields. A decoder holds at most this and the last chunk.
    std::size_t max_row_bytes{std::size_t{64} * 1024 * 1024};
};

namespace detail {

template <class T>
struct is_copy_column : std::bool_constant<copy_type<value_of<T>>> {};
template <class T>
struct is_owned : std::bool_constant<!is_view<T>> {};

inline constexpr std::size_t max_copy_columns = 32'767;  // the format counts them in 16 bits

void append_copy_header(std::string& to);
void append_copy_trailer(std::string& to);
void append_copy_null(std::string& to);
std::size_t begin_copy_value(std::string& to);
void end_copy_value(std::string& to, std::size_t begun);
[[noreturn]] void throw_copy_null(std::uint64_t row, std::size_t column);
[[noreturn]] void throw_in_copy(errc code, std::uint64_t row, std::size_t column, error const& why);

/// Cuts a stream of chunks into rows, and rows into fields.
class copy_cutter {
public:
    copy_cutter(std::size_t columns, copy_limits limits) : columns_(columns), max_row_bytes_(limits.max_row_bytes) {}

    void feed(std::string_view chunk);
    /// Moves to the next complete row. Returns false if that row is not complete yet or if there are no more
    /// rows.
    bool next();
    /// Returns the next field of the row; nothing for NULL.
    std::optional<std::string_view> field();
    [[nodiscard]] std::uint64_t row() const noexcept { return row_; }
    [[nodiscard]] bool done() const noexcept { return state_ == state::done; }
    void finish() const;

private:
    enum class state {
        header,     ///< of the stream
        extension,  ///< of the header, of any length
        start,      ///< of a row, or the trailer
        fields,     ///< of a row
        done,       ///< the trailer was read
    };

    [[nodiscard]] bool has(std::size_t bytes) const noexcept { return buffer_.size() - scanned_ >= bytes; }
    std::int64_t take_integer(std::size_t size);
    bool read_header();
    bool read_extension();
    bool read_start();
    bool read_fields();
    [[noreturn]] void fail(std::string const& why) const;

    std::size_t columns_;
    std::size_t max_row_bytes_;
    std::string buffer_{};
    std::size_t row_begin_ = 0;  // offset in the buffer, as are the next ones
    std::size_t scanned_ = 0;
    std::size_t field_begin_ = 0;
    std::size_t fields_left_ = 0;
    std::size_t extension_left_ = 0;
    std::uint64_t row_ = 0;  // 1 is the first row
    state state_ = state::header;
};

}  // namespace detail

/// Appends rows in binary format. Everything appended so far may be sent at any time.
template <class Row>
class copy_encoder {
    using traits = row_traits<Row>;
    static_assert(traits::width > 0 && traits::width <= detail::max_copy_columns);
    static_assert(all_columns<Row, detail::is_copy_column>, "COPY does not support the type of a column: see above");

public:
    /// *Errors*: throws error (bad_parameter), which names row and column, if PostgreSQL cannot hold a value.
    /// `to` is then unchanged.
    void append(std::string& to, Row const& row)
    {
        auto const before = to.size();
        if (rows_ == 0) detail::append_copy_header(to);
        ++rows_;
        detail::append_integer(to, traits::width, 2);
        try {
            append(to, row, std::make_index_sequence<traits::width>());
        } catch (...) {
            --rows_;
            to.resize(before);
            throw;
        }
    }

    /// Appends the trailer. Send it last.
    void finish(std::string& to) const
    {
        if (rows_ == 0) detail::append_copy_header(to);
        detail::append_copy_trailer(to);
    }

    [[nodiscard]] std::uint64_t rows() const noexcept { return rows_; }

private:
    template <std::size_t... I>
    void append(std::string& to, Row const& row, std::index_sequence<I...>)
    {
        (append_value<typename traits::template column<I>>(to, traits::template get<I>(row), I), ...);
    }

    template <class V>
    void append_value(std::string& to, V const& value, std::size_t column)
    {
        if constexpr (detail::is_nullable<V>) {
            if (value) append_value<detail::value_of<V>>(to, *value, column);
            else detail::append_copy_null(to);
        } else {
            try {
                auto const begun = detail::begin_copy_value(to);
                codec<V>::encode(to, value);
                detail::end_copy_value(to, begun);
            } catch (error const& why) {
                detail::throw_in_copy(errc::bad_parameter, rows_, column, why);
            }
        }
    }

    std::uint64_t rows_ = 0;
};

/// Reads rows in binary format from chunks of any size. Call feed(), then next() until it returns nothing;
/// repeat; then call finish().
///
/// *Errors*: every member throws error (bad_result), which names the row, if the bytes are not in COPY's format
/// or do not fit Row. A row longer than copy_limits is refused as soon as its length is known.
template <class Row>
class copy_decoder {
    using traits = row_traits<Row>;
    static_assert(traits::width > 0 && traits::width <= detail::max_copy_columns);
    static_assert(all_columns<Row, detail::is_copy_column>, "COPY does not support the type of a column: see above");
    static_assert(all_columns<Row, detail::is_owned>,
                  "a view into a chunk that the next chunk replaces: use std::string");

public:
    explicit copy_decoder(copy_limits limits = copy_limits()) : cutter_(traits::width, limits) {}

    /// Copies the chunk. Take all complete rows before the next call: unread bytes stay in memory until then.
    void feed(std::string_view chunk) { cutter_.feed(chunk); }

    /// Returns the next complete row. Nothing: feed more, or done() is true.
    [[nodiscard]] std::optional<Row> next()
    {
        if (!cutter_.next()) return std::nullopt;
        return traits::make([&]<std::size_t I>(std::integral_constant<std::size_t, I>) {
            return value<typename traits::template column<I>>(I);
        });
    }

    /// True if the trailer was read: there are no more rows.
    [[nodiscard]] bool done() const noexcept { return cutter_.done(); }

    /// Call it when the server has sent everything and next() returned nothing. Throws if data is missing.
    void finish() const { cutter_.finish(); }

    [[nodiscard]] std::uint64_t rows() const noexcept { return cutter_.row(); }

private:
    template <class V>
    V value(std::size_t column)
    {
        using value_codec = codec<detail::value_of<V>>;
        auto const bytes = cutter_.field();
        if (!bytes) {
            if constexpr (detail::is_nullable<V>) return V();
            else detail::throw_copy_null(cutter_.row(), column);
        }
        try {
            return value_codec::decode(value_codec::type, *bytes);
        } catch (error const& why) {
            detail::throw_in_copy(errc::bad_result, cutter_.row(), column, why);
        }
    }

    detail::copy_cutter cutter_;
};

}  // namespace pgtally::db
