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

/// COPY's binary format to and from bytes; no I/O. copy_text.hpp has the text format.
///
/// A Row is what it is for rows: a std::tuple, a plain struct or a single type, of the types of
/// types.hpp but views and integers without a counterpart.
///
/// COPY sends no types, and converts nothing: each column must be exactly the type that its C++ type
/// stands for. std::int32_t is integer and nothing else, db::json is json and not jsonb, float is
/// real. Of the other side's columns only what lengths (and the element types of arrays) tell is
/// checked: a date read as std::int32_t is a number without sense. So cast: `copy (select n::bigint
/// from t) to stdout (format binary)`.
///
/// Encoders and decoders belong to one COPY. After an error they are of no use.
namespace pgtally::db {

struct copy_limits {
    /// The longest row taken, in bytes with its lengths: what a decoder holds at most, besides the
    /// last chunk that it was fed.
    std::size_t max_row_bytes{std::size_t{64} * 1024 * 1024};
};

namespace detail {

template <class T>
struct is_copy_column : std::bool_constant<copy_type<value_of<T>>> {};
template <class T>
struct is_owned : std::bool_constant<!is_view<T>> {};

inline constexpr std::size_t max_copy_columns = 32'767;  // they are counted by 16 bits

void append_copy_header(std::string& to);
void append_copy_trailer(std::string& to);
void append_copy_null(std::string& to);
std::size_t begin_copy_value(std::string& to);
void end_copy_value(std::string& to, std::size_t begun);
[[noreturn]] void throw_copy_null(std::uint64_t row, std::size_t column);
[[noreturn]] void throw_in_copy(errc code, std::uint64_t row, std::size_t column, error const& why);

/// Cuts a stream of chunks into rows, and these into fields.
class copy_cutter {
public:
    copy_cutter(std::size_t columns, copy_limits limits) : columns_(columns), max_row_bytes_(limits.max_row_bytes) {}

    void feed(std::string_view chunk);
    /// Moves to the next complete row; false: it is not there yet, or there is none any more.
    bool next();
    /// The next field of that row; nothing for NULL.
    std::optional<std::string_view> field();
    [[nodiscard]] std::uint64_t row() const noexcept { return row_; }
    [[nodiscard]] bool done() const noexcept { return state_ == state::done; }
    void finish() const;

private:
    enum class state {
        header,     ///< of the stream
        extension,  ///< of the header, of any length
        start,      ///< of a row, or the trailer
        fields,     ///< a row's
        done,       ///< the trailer has come
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
    std::size_t row_begin_ = 0;  // in the buffer, as the others
    std::size_t scanned_ = 0;
    std::size_t field_begin_ = 0;
    std::size_t fields_left_ = 0;
    std::size_t extension_left_ = 0;
    std::uint64_t row_ = 0;  // 1: the first
    state state_ = state::header;
};

}  // namespace detail

/// Appends rows in binary format. What is appended so far may be sent at any time.
template <class Row>
class copy_encoder {
    using traits = row_traits<Row>;
    static_assert(traits::width > 0 && traits::width <= detail::max_copy_columns);
    static_assert(all_columns<Row, detail::is_copy_column>, "a column has a type that COPY cannot have: see above");

public:
    /// Throws error (bad_parameter), which names row and column, for a value that PostgreSQL cannot
    /// hold; `to` is then as it was.
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

    /// The trailer, to be sent last.
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

/// Reads rows in binary format from chunks of any size: fed until next() gives rows, and so on, then
/// finish(). All throw error (bad_result), which names the row, for what is not COPY's format or not
/// a Row; a row longer than copy_limits is refused as soon as its lengths tell.
template <class Row>
class copy_decoder {
    using traits = row_traits<Row>;
    static_assert(traits::width > 0 && traits::width <= detail::max_copy_columns);
    static_assert(all_columns<Row, detail::is_copy_column>, "a column has a type that COPY cannot have: see above");
    static_assert(all_columns<Row, detail::is_owned>, "a view of bytes that the next chunk replaces: take a string");

public:
    explicit copy_decoder(copy_limits limits = copy_limits()) : cutter_(traits::width, limits) {}

    /// Copies the chunk. Take all rows there are before the next one: what is fed is kept until then.
    void feed(std::string_view chunk) { cutter_.feed(chunk); }

    /// The next row that is complete; nothing: feed more, or it is done().
    [[nodiscard]] std::optional<Row> next()
    {
        if (!cutter_.next()) return std::nullopt;
        return traits::make([&]<std::size_t I>(std::integral_constant<std::size_t, I>) {
            return value<typename traits::template column<I>>(I);
        });
    }

    /// The trailer has come: there are no more rows.
    [[nodiscard]] bool done() const noexcept { return cutter_.done(); }

    /// To be called when the server says that all was sent, and next() gave nothing: throws if
    /// something is missing.
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
