#include <pgtally/db/codec_numbers.hpp>

#include <cmath>

namespace pgtally::db::detail {
namespace {

// to_chars writes "nan" and "inf", of which numeric accepts only the first, and "-nan", which no type accepts.
template <class T>
void print_any_float(std::string& to, T value)
{
    if (std::isnan(value)) to += "NaN";
    else if (std::isinf(value)) to += value < 0 ? "-Infinity" : "Infinity";
    else print_number(to, value);
}

}  // namespace

std::size_t integer_size(std::uint32_t type) noexcept
{
    switch (type) {
        case oids::int2: return 2;
        case oids::int4: return 4;
        case oids::int8:
        case oids::xid8: return 8;
        default: return 0;
    }
}

void print_float(std::string& to, float value)
{
    print_any_float(to, value);
}

void print_float(std::string& to, double value)
{
    print_any_float(to, value);
}

double read_float(std::uint32_t type, std::string_view bytes)
{
    if (bytes.size() != (type == oids::float4 ? 4u : 8u)) throw_malformed("a float of the wrong size");
    auto const bits = read_unsigned(bytes);
    if (bytes.size() == 4) return std::bit_cast<float>(static_cast<std::uint32_t>(bits));
    return std::bit_cast<double>(bits);
}

bool read_bool(std::string_view bytes)
{
    if (bytes.size() != 1) throw_malformed("a boolean of the wrong size");
    return bytes.front() != '\0';
}

}  // namespace pgtally::db::detail
