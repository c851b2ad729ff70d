#pragma once

#include <pgtally/db/copy_format.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// COPY's text format with its default delimiter and NULL (PostgreSQL manual, "COPY", "Text Format"). No I/O. A
/// field is the text that PostgreSQL prints and reads for a value, or NULL.
namespace pgtally::db {

class copy_text_writer {
public:
    using field = std::optional<std::string_view>;

    /// *Preconditions*: columns >= 1.
    explicit copy_text_writer(std::size_t columns);

    /// *Errors*: throws error (bad_parameter), which names the row, if the number of fields is wrong or a field
    /// holds a NUL. `to` is then unchanged. The format has no header and no trailer.
    void append(std::string& to, std::span<field const> row);

    [[nodiscard]] std::uint64_t rows() const noexcept { return rows_; }

private:
    std::size_t columns_;
    std::uint64_t rows_ = 0;
};

/// Reads rows from chunks of any size. Call feed(), then next() until it returns nothing; repeat; then call
/// finish().
///
/// *Errors*: every member throws error (bad_result), which names the row, if the number of fields is wrong, if a
/// row is longer than copy_limits, or if a row holds what PostgreSQL does not write (a bare carriage return, a
/// NUL).
class copy_text_reader {
public:
    using row = std::vector<std::optional<std::string>>;

    /// *Preconditions*: columns >= 1.
    explicit copy_text_reader(std::size_t columns, copy_limits limits = copy_limits());

    /// Copies the chunk. Take all complete rows before the next call: unread bytes stay in memory until then.
    void feed(std::string_view chunk);

    /// Returns the next complete row. Nothing: feed more, or there are no more rows.
    [[nodiscard]] std::optional<row> next();

    /// Call it when the server has sent everything and next() returned nothing. Throws if the last row has no
    /// line end.
    void finish() const;

    [[nodiscard]] std::uint64_t rows() const noexcept { return rows_; }

private:
    [[nodiscard]] row split(std::string_view line) const;
    [[nodiscard]] std::string unescaped(std::string_view field) const;
    [[noreturn]] void fail(std::string_view why) const;

    std::size_t columns_;
    std::size_t max_row_bytes_;
    std::string buffer_{};
    std::size_t begin_ = 0;    // offset of the row in the buffer
    std::size_t scanned_ = 0;  // no line ends before this offset
    std::uint64_t rows_ = 0;   // complete rows; the next one is being read
    bool ended_ = false;       // by the end mark `\.`, which files have
};

}  // namespace pgtally::db
