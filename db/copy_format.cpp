#include <pgtally/db/copy_format.hpp>
#include <pgtally/db/params.hpp>

#include <algorithm>

namespace pgtally::db::detail {
namespace {

constexpr std::string_view signature("PGCOPY\n\377\r\n\0", 11);
constexpr std::size_t header_size = 11 + 4 + 4;  // signature, flags, length of the extension
constexpr std::size_t count_size = 2;
constexpr std::size_t length_size = 4;
constexpr std::int64_t critical_flags = 0xffff'0000;  // none has been defined since OIDs were removed
constexpr std::int64_t trailer = -1;

std::string place(std::uint64_t row, std::size_t column)
{
    return "COPY, row " + std::to_string(row) + ", column " + std::to_string(column + 1);
}

}  // namespace

void append_copy_header(std::string& to)
{
    to += signature;
    append_integer(to, 0, 4);
    append_integer(to, 0, 4);
}

void append_copy_trailer(std::string& to)
{
    append_integer(to, static_cast<std::uint64_t>(trailer), count_size);
}

void append_copy_null(std::string& to)
{
    append_integer(to, static_cast<std::uint64_t>(-1), length_size);
}

std::size_t begin_copy_value(std::string& to)
{
    to.append(length_size, '\0');
    return to.size();
}

void end_copy_value(std::string& to, std::size_t begun)
{
    auto const length = to.size() - begun;
    if (length > params::max_value_bytes) throw_bad_parameter("is longer than PostgreSQL allows");
    for (std::size_t i = 0; i < length_size; ++i) to[begun - 1 - i] = static_cast<char>(length >> (8 * i) & 0xff);
}

void throw_copy_null(std::uint64_t row, std::size_t column)
{
    throw error(errc::bad_result, place(row, column) + ": NULL, expected a value");
}

void throw_in_copy(errc code, std::uint64_t row, std::size_t column, error const& why)
{
    throw error(code, place(row, column) + (code == errc::bad_parameter ? " " : ": ") + why.what());
}

void copy_cutter::feed(std::string_view chunk)
{
    // Discards the bytes that were read once they are more than half of the buffer, so each byte moves only a few
    // times.
    if (row_begin_ > buffer_.size() / 2) {
        buffer_.erase(0, row_begin_);
        scanned_ -= row_begin_;
        field_begin_ -= std::min(field_begin_, row_begin_);
        row_begin_ = 0;
    }
    buffer_ += chunk;
}

bool copy_cutter::next()
{
    // The previous row has been read completely.
    if (state_ == state::start) row_begin_ = scanned_;
    if (state_ == state::header && !read_header()) return false;
    if (state_ == state::extension && !read_extension()) return false;
    if (state_ == state::start && !read_start()) return false;
    if (state_ == state::fields) return read_fields();
    if (has(1)) fail("bytes after the trailer");
    return false;
}

std::optional<std::string_view> copy_cutter::field()
{
    auto const view = std::string_view(buffer_);
    auto const length = read_integer(view.substr(field_begin_, length_size), length_size);
    field_begin_ += length_size;
    if (length < 0) return std::nullopt;
    auto const bytes = view.substr(field_begin_, static_cast<std::size_t>(length));
    field_begin_ += bytes.size();
    return bytes;
}

void copy_cutter::finish() const
{
    if (state_ == state::done && has(1)) fail("bytes after the trailer");
    if (state_ == state::done) return;
    if (state_ == state::header || state_ == state::extension) fail("the data ends within the header");
    auto const within = state_ == state::fields ? row_ : row_ + 1;
    if (state_ == state::fields || has(1)) fail("the data ends within row " + std::to_string(within));
    fail("the data ends before the trailer");
}

std::int64_t copy_cutter::take_integer(std::size_t size)
{
    auto const value = read_integer(std::string_view(buffer_).substr(scanned_, size), size);
    scanned_ += size;
    return value;
}

bool copy_cutter::read_header()
{
    // Refuses input that is not in COPY's binary format at its first differing byte.
    auto const seen = std::min(signature.size(), buffer_.size());
    if (std::string_view(buffer_).substr(0, seen) != signature.substr(0, seen))
        fail("no signature of the binary format");
    if (!has(header_size)) return false;
    scanned_ += signature.size();
    if ((take_integer(4) & critical_flags) != 0) fail("unknown flags");
    auto const extension = take_integer(4);
    if (extension < 0) fail("a header of negative length");
    extension_left_ = static_cast<std::size_t>(extension);
    state_ = state::extension;
    return true;
}

// No extension is defined; skips it (PostgreSQL manual, "COPY", "File Header").
bool copy_cutter::read_extension()
{
    auto const skipped = std::min(extension_left_, buffer_.size() - scanned_);
    scanned_ += skipped;
    extension_left_ -= skipped;
    row_begin_ = scanned_;
    if (extension_left_ > 0) return false;
    state_ = state::start;
    return true;
}

bool copy_cutter::read_start()
{
    if (!has(count_size)) return false;
    auto const count = take_integer(count_size);
    if (count == trailer) {
        row_begin_ = scanned_;
        state_ = state::done;
        return true;
    }
    ++row_;
    if (count < 0 || static_cast<std::size_t>(count) != columns_) {
        fail("row " + std::to_string(row_) + " has " + std::to_string(count) + " columns, expected " +
             std::to_string(columns_));
    }
    field_begin_ = scanned_;
    fields_left_ = columns_;
    state_ = state::fields;
    return true;
}

// If a field is incomplete, scanned_ stays at its length.
bool copy_cutter::read_fields()
{
    while (fields_left_ > 0) {
        if (!has(length_size)) return false;
        auto const before = scanned_;
        auto const length = take_integer(length_size);
        if (length < -1) fail("row " + std::to_string(row_) + " has a value of negative length");
        auto const bytes = static_cast<std::size_t>(std::max(length, std::int64_t{0}));
        if (scanned_ - row_begin_ + bytes > max_row_bytes_) {
            fail("row " + std::to_string(row_) + " is longer than " + std::to_string(max_row_bytes_) + " bytes");
        }
        if (!has(bytes)) {
            scanned_ = before;
            return false;
        }
        scanned_ += bytes;
        --fields_left_;
    }
    state_ = state::start;
    return true;
}

void copy_cutter::fail(std::string const& why) const
{
    throw error(errc::bad_result, "COPY is malformed: " + why);
}

}  // namespace pgtally::db::detail
