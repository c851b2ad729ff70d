#include <pgtally/db/codec.hpp>
#include <pgtally/db/error.hpp>

#include <bit>
#include <cstddef>

namespace pgtally::db::codec {
namespace {

// The numbers of built-in types never change: pg_type.dat.
enum oid : std::uint32_t {
    boolean = 16,
    bytea = 17,
    single_char = 18,
    name = 19,
    int8 = 20,
    int2 = 21,
    int4 = 23,
    text = 25,
    oid_type = 26,
    json = 114,
    xml = 142,
    float4 = 700,
    float8 = 701,
    unknown = 705,
    int2s = 1005,
    int4s = 1007,
    texts = 1009,
    names = 1003,
    varchars = 1015,
    int8s = 1016,
    bpchar = 1042,
    varchar = 1043,
    date = 1082,
    timestamp = 1114,
    timestamptz = 1184,
    interval = 1186,
    numeric = 1700,
    void_type = 2278,
    uuid = 2950,
    pg_lsn = 3220,
    jsonb = 3802,
    pg_snapshot = 5038,
    xid8 = 5069,
};

[[noreturn]] void malformed(char const* what)
{
    throw error(errc::bad_result, std::string("a value from PostgreSQL is malformed: ") + what);
}

// Takes numbers in network order off the front.
class reader {
public:
    explicit reader(std::string_view bytes) : left_(bytes) {}

    std::string_view take(std::size_t count)
    {
        if (count > left_.size()) malformed("it ends early");
        auto const front = left_.substr(0, count);
        left_.remove_prefix(count);
        return front;
    }

    std::int32_t take_int32() { return static_cast<std::int32_t>(decode_integer(take(4))); }

private:
    std::string_view left_;
};

// array_send: dimensions, has-nulls, element type, then per dimension size and lower bound, then
// per element its length (-1: NULL) and bytes.
template <class Append>
void each_element(std::string_view bytes, Append append)
{
    reader in(bytes);
    auto const dimensions = in.take_int32();
    in.take(8);
    if (dimensions == 0) return;
    if (dimensions != 1) throw error(errc::bad_result, "an array has more than one dimension");
    auto const count = in.take_int32();
    in.take(4);
    if (count < 0) malformed("an array of negative size");
    for (std::int32_t i = 0; i < count; ++i) {
        auto const length = in.take_int32();
        if (length < 0) throw error(errc::bad_result, "an array holds a NULL");
        append(in.take(static_cast<std::size_t>(length)));
    }
}

}  // namespace

std::string type_name(std::uint32_t type)
{
    switch (static_cast<oid>(type)) {
        case boolean: return "boolean";
        case bytea: return "bytea";
        case single_char: return "\"char\"";
        case name: return "name";
        case int8: return "bigint";
        case int2: return "smallint";
        case int4: return "integer";
        case text: return "text";
        case oid_type: return "oid";
        case json: return "json";
        case xml: return "xml";
        case float4: return "real";
        case float8: return "double precision";
        case unknown: return "unknown";
        case int2s: return "smallint[]";
        case int4s: return "integer[]";
        case texts: return "text[]";
        case names: return "name[]";
        case varchars: return "character varying[]";
        case int8s: return "bigint[]";
        case bpchar: return "character";
        case varchar: return "character varying";
        case date: return "date";
        case timestamp: return "timestamp";
        case timestamptz: return "timestamp with time zone";
        case interval: return "interval";
        case numeric: return "numeric";
        case void_type: return "void";
        case uuid: return "uuid";
        case pg_lsn: return "pg_lsn";
        case jsonb: return "jsonb";
        case pg_snapshot: return "pg_snapshot";
        case xid8: return "xid8";
    }
    return "type " + std::to_string(type);
}

std::int64_t decode_integer(std::string_view bytes)
{
    std::uint64_t value = 0;
    for (char const byte : bytes) value = value << 8 | static_cast<unsigned char>(byte);
    switch (bytes.size()) {
        case 2: return static_cast<std::int16_t>(value);
        case 4: return static_cast<std::int32_t>(value);
        case 8: return static_cast<std::int64_t>(value);
        default: malformed("an integer of odd size");
    }
}

double decode_float(std::string_view bytes)
{
    auto const bits = static_cast<std::uint64_t>(decode_integer(bytes));
    if (bytes.size() == 4) return std::bit_cast<float>(static_cast<std::uint32_t>(bits));
    return std::bit_cast<double>(bits);
}

bool decode_bool(std::string_view bytes)
{
    if (bytes.size() != 1) malformed("a boolean of odd size");
    return bytes.front() != '\0';
}

std::string_view decode_text(std::uint32_t type, std::string_view bytes)
{
    if (type == jsonb) {  // one byte of version comes first
        if (bytes.empty() || bytes.front() != '\1') malformed("a jsonb of unknown version");
        bytes.remove_prefix(1);
    }
    return bytes;
}

std::vector<std::int64_t> decode_integers(std::string_view bytes)
{
    std::vector<std::int64_t> result;
    result.reserve(bytes.size() / 12);  // a bigint and its length
    each_element(bytes, [&](std::string_view element) { result.push_back(decode_integer(element)); });
    return result;
}

std::vector<std::string> decode_texts(std::string_view bytes)
{
    std::vector<std::string> result;
    each_element(bytes, [&](std::string_view element) { result.emplace_back(element); });
    return result;
}

bool is_text(std::uint32_t type) noexcept
{
    switch (type) {
        case single_char:
        case name:
        case text:
        case json:
        case xml:
        case unknown:
        case bpchar:
        case varchar:
        case jsonb: return true;
        default: return false;
    }
}

bool is_integers(std::uint32_t type) noexcept
{
    return type == int2s || type == int4s || type == int8s;
}

bool is_texts(std::uint32_t type) noexcept
{
    return type == texts || type == varchars || type == names;
}

unsigned integer_size(std::uint32_t type) noexcept
{
    switch (type) {
        case int2: return 2;
        case int4: return 4;
        case int8:
        case xid8: return 8;
        default: return 0;
    }
}

bool is_float(std::uint32_t type) noexcept
{
    return type == float4 || type == float8;
}

bool is_bool(std::uint32_t type) noexcept
{
    return type == boolean;
}

}  // namespace pgtally::db::codec
