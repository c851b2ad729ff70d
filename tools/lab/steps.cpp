#include "steps.hpp"

#include "report.hpp"

#include <utility>

namespace pgtally::lab {
namespace {

constexpr std::size_t column_width = 48;

char const* does(step::kind what)
{
    switch (what) {
        case step::kind::types: return "types";
        case step::kind::answered: return "is answered";
        case step::kind::waits: return "waits";
    }
    return "";
}

char const* before(step::kind what)
{
    switch (what) {
        case step::kind::types: return "> ";
        case step::kind::answered: return "  ";
        case step::kind::waits: return "  ... ";
    }
    return "";
}

cell cell_of(step const& one)
{
    std::string shown;
    for (auto const& line : wrap(one.text, column_width))
        shown += (shown.empty() ? before(one.what) : "\n      ") + line;
    return {boost::json::value({{"does", does(one.what)}, {"text", one.text}}), std::move(shown)};
}

}  // namespace

table to_table(std::vector<step> const& steps)
{
    table lines({{"session A", "a"}, {"session B", "b"}});
    for (auto const& one : steps) {
        auto said = cell_of(one);
        cell other{boost::json::value(nullptr), ""};
        if (one.where == prompt::b) std::swap(said, other);
        lines.add({std::move(said), std::move(other)});
    }
    return lines;
}

}  // namespace pgtally::lab
