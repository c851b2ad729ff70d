#pragma once

#include <pgtally/db/copy_format.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// COPY's text format, with the delimiter and the NULL that it has by default; no I/O. A field is
/// the text of a value as PostgreSQL prints it and reads it, or NULL.
namespace pgtally::db {

class copy_text_writer {
public:
    using field = std::optional<std::string_view>;

    /// columns >= 1.
    explicit copy_text_writer(std::size_t columns);

    /// Throws error (bad_parameter), which names the row, for another count of fields and for a NUL;
    /// `to` is then as it was. The format has no header and no trailer.
    void append(std::string& to, std::span<field const> row);

    [[nodiscard]] std::uint64_t rows() const noexcept { return rows_; }

private:
    std::size_t columns_;
    std::uint64_t rows_ = 0;
};

/// Reads rows from chunks of any size: fed until next() gives rows, and so on, then finish(). All
/// throw error (bad_result), which names the row, for another count of fields, a row longer than
/// copy_limits and what PostgreSQL does not write (a bare carriage return, a NUL).
class copy_text_reader {
public:
    using row = std::vector<std::optional<std::string>>;

    /// columns >= 1.
    explicit copy_text_reader(std::size_t columns, copy_limits limits = copy_limits());

    /// Copies the chunk. Take all rows there are before the next one: what is fed is kept until then.
    void feed(std::string_view chunk);

    /// The next row that is complete; nothing: feed more, or there is none any more.
    [[nodiscard]] std::optional<row> next();

    /// To be called when the server says that all was sent, and next() gave nothing: throws if the
    /// last row has no end.
    void finish() const;

    [[nodiscard]] std::uint64_t rows() const noexcept { return rows_; }

private:
    [[nodiscard]] row split(std::string_view line) const;
    [[nodiscard]] std::string unescaped(std::string_view field) const;
    [[noreturn]] void fail(std::string_view why) const;

    std::size_t columns_;
    std::size_t max_row_bytes_;
    std::string buffer_{};
    std::size_t begin_ = 0;    // of the row, in the buffer
    std::size_t scanned_ = 0;  // no line ends before
    std::uint64_t rows_ = 0;   // complete ones; the one being read is the next
    bool ended_ = false;       // by the mark that files have
};

}  // namespace pgtally::db
