#include <pgtally/server/base/text.hpp>
#include <pgtally/server/openmetrics.hpp>

namespace pgtally::server {

namespace {

std::string_view unit_of(std::string_view family) noexcept
{
    for (std::string_view const unit : {"seconds", "bytes", "ratio"}) {
        if (family.ends_with(unit) && family.size() > unit.size() && family[family.size() - unit.size() - 1] == '_')
            return unit;
    }
    return {};
}

constexpr std::string_view total = "_total";

std::string_view family_of(std::string_view name) noexcept
{
    return name.ends_with(total) ? name.substr(0, name.size() - total.size()) : name;
}

}  // namespace

std::string to_openmetrics(std::string_view text)
{
    std::string out;
    out.reserve(text.size() + text.size() / 8);
    while (!text.empty()) {
        auto const line = take_piece(text, '\n');
        if (line.empty()) continue;
        if (!line.starts_with("# ")) {
            out.append(line).append("\n");
            continue;
        }
        auto rest = line.substr(2);
        auto const what = take_piece(rest, ' ');
        auto const family = family_of(take_piece(rest, ' '));
        out.append("# ").append(what).append(" ").append(family).append(" ").append(rest).append("\n");
        auto const unit = unit_of(family);
        if (what == "TYPE" && !unit.empty()) out.append("# UNIT ").append(family).append(" ").append(unit).append("\n");
    }
    out += "# EOF\n";
    return out;
}

}  // namespace pgtally::server
