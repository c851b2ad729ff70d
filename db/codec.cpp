#include <pgtally/db/codec.hpp>
#include <pgtally/db/error.hpp>

namespace pgtally::db::detail {

void throw_malformed(std::string_view what)
{
    throw error(errc::bad_result, "a value from PostgreSQL is malformed: " + std::string(what));
}

void throw_bad_result(std::string const& what)
{
    throw error(errc::bad_result, what);
}

void throw_bad_parameter(std::string const& what)
{
    throw error(errc::bad_parameter, what);
}

void append_integer(std::string& to, std::uint64_t value, std::size_t size)
{
    for (auto shift = 8 * size; shift > 0; shift -= 8) to += static_cast<char>(value >> (shift - 8) & 0xff);
}

std::uint64_t read_unsigned(std::string_view bytes) noexcept
{
    std::uint64_t value = 0;
    for (char const byte : bytes) value = value << 8 | static_cast<unsigned char>(byte);
    return value;
}

std::int64_t read_integer(std::string_view bytes, std::size_t size)
{
    if (bytes.size() != size) throw_malformed("an integer of the wrong size");
    auto const value = read_unsigned(bytes);
    switch (size) {
        case 2: return static_cast<std::int16_t>(value);
        case 4: return static_cast<std::int32_t>(value);
        default: return static_cast<std::int64_t>(value);
    }
}

std::string_view reader::take(std::size_t count)
{
    if (count > left_.size()) throw_malformed("it ends early");
    auto const front = left_.substr(0, count);
    left_.remove_prefix(count);
    return front;
}

}  // namespace pgtally::db::detail
