#include <pgtally/db/codec_array.hpp>

namespace pgtally::db::detail {
namespace {

constexpr std::size_t length_size = 4;

}  // namespace

void append_quoted(std::string& to, std::string_view value)
{
    to += '"';
    for (char const c : value) {
        if (c == '"' || c == '\\') to += '\\';
        to += c;
    }
    to += '"';
}

// The format of array_send (src/backend/utils/adt/arrayfuncs.c): dimensions, has-nulls, element type; per
// dimension its size and lower bound; per element its length (-1: NULL) and bytes.
void append_array_header(std::string& to, std::size_t count, bool has_nulls, std::uint32_t element)
{
    append_integer(to, count == 0 ? 0 : 1, 4);
    append_integer(to, has_nulls ? 1 : 0, 4);
    append_integer(to, element, 4);
    if (count == 0) return;
    append_integer(to, count, 4);
    append_integer(to, 1, 4);
}

std::size_t begin_element(std::string& to)
{
    to.append(length_size, '\0');
    return to.size();
}

void end_element(std::string& to, std::size_t begun)
{
    std::string length;
    append_integer(length, to.size() - begun, length_size);
    to.replace(begun - length_size, length_size, length);
}

void append_null_element(std::string& to)
{
    to.append(length_size, '\xff');
}

array_reader::array_reader(std::string_view bytes) : in_(bytes)
{
    auto const dimensions = in_.take_int32();
    in_.take(4);
    element_ = static_cast<std::uint32_t>(in_.take_int32());
    if (dimensions == 0) return;
    if (dimensions != 1) throw_bad_result("the array has more than one dimension");
    auto const count = in_.take_int32();
    in_.take(4);
    // Each element has a length field, so a count that cannot fit into the input reserves no memory.
    if (count < 0 || static_cast<std::size_t>(count) > in_.left() / length_size)
        throw_malformed("an array of impossible size");
    count_ = static_cast<std::size_t>(count);
}

bool array_reader::next(std::string_view& value)
{
    auto const length = in_.take_int32();
    if (length == -1) return false;
    if (length < 0) throw_malformed("an element of negative size");
    value = in_.take(static_cast<std::size_t>(length));
    return true;
}

void array_reader::end() const
{
    if (in_.left() > 0) throw_malformed("an array with bytes after its end");
}

void throw_null_element(std::size_t number, std::string const& wanted)
{
    throw_bad_result("element " + std::to_string(number) + " of the array is NULL, expected " + wanted +
                     "[] without NULL");
}

void throw_element_type(std::uint32_t found, std::string const& wanted)
{
    throw_bad_result("the array is " + oids::type_name(found) + "[], expected " + wanted + "[]");
}

}  // namespace pgtally::db::detail
