#include <pgtally/db/copy_text.hpp>

#include <boost/assert.hpp>

#include <algorithm>
#include <utility>

namespace pgtally::db {
namespace {

constexpr std::string_view null_mark = "\\N";
constexpr std::string_view end_mark = "\\.";  // in files, and in the protocol before PostgreSQL 7.4

// Characters that are escaped by a letter, and that letter.
constexpr std::pair<char, char> letters[] = {
    {'\b', 'b'}, {'\f', 'f'}, {'\n', 'n'}, {'\r', 'r'}, {'\t', 't'}, {'\v', 'v'}, {'\\', '\\'},
};

void append_escaped(std::string& to, std::string_view value)
{
    constexpr std::string_view special = "\b\f\n\r\t\v\\";
    for (;;) {
        auto const at = value.find_first_of(special);
        to += value.substr(0, at);
        if (at == std::string_view::npos) return;
        auto const* const found = std::find_if(std::begin(letters), std::end(letters),
                                               [&](auto const& each) { return each.first == value[at]; });
        to += '\\';
        to += found->second;
        value.remove_prefix(at + 1);
    }
}

int digit(char c) noexcept
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return 16;
}

// Takes up to `most` digits off the front; nothing if there is none.
std::optional<char> take_number(std::string_view& from, int base, std::size_t most)
{
    unsigned value = 0;
    std::size_t count = 0;
    while (count < most && count < from.size() && digit(from[count]) < base)
        value = value * static_cast<unsigned>(base) + static_cast<unsigned>(digit(from[count++]));
    from.remove_prefix(count);
    return count == 0 ? std::nullopt : std::optional<char>(static_cast<char>(value & 0xff));
}

// Takes the text after a backslash off the front: \b, \12, \x1f, or the character itself.
char take_escaped(std::string_view& from)
{
    if (auto const octal = take_number(from, 8, 3)) return *octal;
    auto const c = from.front();
    from.remove_prefix(1);
    if (c == 'x') return take_number(from, 16, 2).value_or(c);
    for (auto const& [character, letter] : letters)
        if (letter == c) return character;
    return c;
}

}  // namespace

copy_text_writer::copy_text_writer(std::size_t columns) : columns_(columns)
{
    BOOST_ASSERT(columns >= 1);
}

void copy_text_writer::append(std::string& to, std::span<field const> row)
{
    auto const fail = [this](std::string const& why) {
        throw error(errc::bad_parameter, "COPY, row " + std::to_string(rows_ + 1) + why);
    };
    if (row.size() != columns_)
        fail(" has " + std::to_string(row.size()) + " columns, expected " + std::to_string(columns_));
    for (std::size_t i = 0; i < row.size(); ++i) {
        if (row[i] && row[i]->find('\0') != std::string_view::npos)
            fail(", column " + std::to_string(i + 1) + " holds a NUL character");
    }
    for (std::size_t i = 0; i < row.size(); ++i) {
        if (i > 0) to += '\t';
        if (row[i]) append_escaped(to, *row[i]);
        else to += null_mark;
    }
    to += '\n';
    ++rows_;
}

copy_text_reader::copy_text_reader(std::size_t columns, copy_limits limits)
    : columns_(columns), max_row_bytes_(limits.max_row_bytes)
{
    BOOST_ASSERT(columns >= 1);
}

void copy_text_reader::feed(std::string_view chunk)
{
    // Discards the bytes that were read once they are more than half of the buffer, so each byte moves only a few
    // times.
    if (begin_ > buffer_.size() / 2) {
        buffer_.erase(0, begin_);
        scanned_ -= begin_;
        begin_ = 0;
    }
    buffer_ += chunk;
}

std::optional<copy_text_reader::row> copy_text_reader::next()
{
    // A line feed inside a value is written as \n, so every line feed ends a row.
    auto const end = buffer_.find('\n', scanned_);
    scanned_ = end == std::string::npos ? buffer_.size() : end + 1;
    if (scanned_ - begin_ > max_row_bytes_) fail("is longer than " + std::to_string(max_row_bytes_) + " bytes");
    if (ended_ && scanned_ > begin_) fail("comes after the end");
    if (end == std::string::npos) return std::nullopt;
    auto const line = std::string_view(buffer_).substr(begin_, end - begin_);
    if (line == end_mark) {
        ended_ = true;
        begin_ = scanned_;
        return next();
    }
    auto result = split(line);
    begin_ = scanned_;
    ++rows_;
    return result;
}

void copy_text_reader::finish() const
{
    if (begin_ < buffer_.size()) fail("has no line end");
}

copy_text_reader::row copy_text_reader::split(std::string_view line) const
{
    auto const tabs = static_cast<std::size_t>(std::count(line.begin(), line.end(), '\t'));
    if (tabs + 1 != columns_)
        fail("has " + std::to_string(tabs + 1) + " columns, expected " + std::to_string(columns_));
    if (line.find('\r') != std::string_view::npos) fail("holds a bare carriage return");
    if (line.find('\0') != std::string_view::npos) fail("holds a NUL character");
    row result;
    result.reserve(columns_);
    for (std::size_t i = 0; i < columns_; ++i) {
        auto const field = line.substr(0, line.find('\t'));
        if (field == null_mark) result.emplace_back();
        else result.emplace_back(unescaped(field));
        line.remove_prefix(std::min(field.size() + 1, line.size()));
    }
    return result;
}

std::string copy_text_reader::unescaped(std::string_view field) const
{
    std::string value;
    value.reserve(field.size());
    for (;;) {
        auto const at = field.find('\\');
        value += field.substr(0, at);
        if (at == std::string_view::npos) return value;
        field.remove_prefix(at + 1);
        if (field.empty()) fail("has a value that ends with a backslash");
        auto const c = take_escaped(field);
        if (c == '\0') fail("holds a NUL character");
        value += c;
    }
}

void copy_text_reader::fail(std::string_view why) const
{
    throw error(errc::bad_result, "COPY is malformed: row " + std::to_string(rows_ + 1) + " " + std::string(why));
}

}  // namespace pgtally::db
