#include <pgtally/db/codec_text.hpp>

#include <algorithm>

namespace pgtally::db::detail {

bool is_text(std::uint32_t type) noexcept
{
    switch (type) {
        case oids::single_char:
        case oids::name:
        case oids::text:
        case oids::json:
        case oids::xml:
        case oids::unknown:
        case oids::bpchar:
        case oids::varchar:
        case oids::jsonb: return true;
        default: return false;
    }
}

std::string_view read_text(std::uint32_t type, std::string_view bytes)
{
    if (type == oids::jsonb) {  // a version byte precedes the text
        if (bytes.empty() || bytes.front() != '\1') throw_malformed("a jsonb of unknown version");
        bytes.remove_prefix(1);
    }
    return bytes;
}

void append_text(std::string& to, std::string_view value)
{
    if (value.find('\0') != std::string_view::npos) throw_bad_parameter("holds a NUL character");
    to += value;
}

boost::uuids::uuid read_uuid(std::string_view bytes)
{
    boost::uuids::uuid value{};
    if (bytes.size() != value.size()) throw_malformed("a uuid of the wrong size");
    std::copy(bytes.begin(), bytes.end(), value.begin());
    return value;
}

}  // namespace pgtally::db::detail
