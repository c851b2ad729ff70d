#include "svg.hpp"

#include <algorithm>
#include <optional>
#include <ostream>
#include <utility>

namespace pgtally::lab {
namespace {

constexpr double width = 760;

// Sizes of charts, in pixels.
constexpr double label_width = 220, text_width = 110, bar_height = 16, bar_room = 20, group_gap = 6, head = 8,
                 foot = 36;
constexpr double plot = width - label_width - text_width;

// Sizes of walks.
constexpr double lane_head = 70, lane_height = 30, lane_room = 42;

void open_svg(std::ostream& out, double height, std::string const& title)
{
    out << "<svg role=\"img\" viewBox=\"0 0 " << width << ' ' << height << "\" width=\"" << width << "\" height=\""
        << height << "\"><title>" << escaped(title) << "</title>\n";
}

void text(std::ostream& out, double x, double y, char const* anchor, std::string_view what, char const* kind = "label")
{
    out << "<text x=\"" << x << "\" y=\"" << y << "\" text-anchor=\"" << anchor << "\" class=\"" << kind << "\">"
        << escaped(what) << "</text>\n";
}

void rectangle(std::ostream& out, double x, double y, double w, double h, std::string const& kind,
               std::string const& tip)
{
    out << "<rect x=\"" << x << "\" y=\"" << y << "\" width=\"" << w << "\" height=\"" << h << "\" rx=\"2\" class=\""
        << kind << "\"><title>" << escaped(tip) << "</title></rect>\n";
}

void write_axis(std::ostream& out, chart const& of, axis const& along, double bottom)
{
    for (auto const& [place, what] : along.marks) {
        auto const x = label_width + place * plot;
        out << "<line x1=\"" << x << "\" x2=\"" << x << "\" y1=\"" << head << "\" y2=\"" << bottom
            << "\" class=\"grid\"/>\n";
        text(out, x, bottom + 14, "middle", what, "mark");
    }
    auto const unit = of.unit + (along.by == scale::logarithmic ? ", logarithmic scale" : "");
    text(out, label_width + plot / 2, bottom + 30, "middle", unit, "mark");
}

void write_legend(std::ostream& out, chart const& of, double y)
{
    double x = label_width;
    for (std::size_t i = 0; i < of.series.size(); ++i) {
        rectangle(out, x, y, 12, 12, "series" + std::to_string(i), of.series[i]);
        text(out, x + 17, y + 10, "start", of.series[i]);
        x += 40 + 7.0 * static_cast<double>(of.series[i].size());
    }
}

// The state of a session between two steps.
struct span {
    prompt where;
    std::size_t from;
    std::size_t to;
    std::optional<std::size_t> waits_from{};
    std::string statement;
    std::string answer{};
};

std::vector<span> spans_of(std::vector<step> const& steps)
{
    std::vector<span> all;
    std::optional<std::size_t> open[2];
    for (std::size_t i = 0; i < steps.size(); ++i) {
        auto const& [where, what, said] = steps[i];
        auto& now = open[where == prompt::a ? 0 : 1];
        if (what == step::kind::types) {
            now = all.size();
            all.push_back({where, i, i, std::nullopt, said});
        } else if (now && what == step::kind::waits) {
            all[*now].waits_from = i;
        } else if (now) {
            all[*now].to = i;
            all[*now].answer = said;
        }
    }
    return all;
}

void write_span(std::ostream& out, span const& of, double unit)
{
    auto const y = head + (of.where == prompt::a ? 0 : lane_room);
    auto const x_of = [&](std::size_t i) { return lane_head + static_cast<double>(i) * unit; };
    auto const begin = x_of(of.from) + 1;
    auto const end = x_of(of.to + 1) - 1;
    bool const refused = of.answer.starts_with("ERROR") || of.answer == "ROLLBACK";
    rectangle(out, begin, y, end - begin, lane_height, refused ? "refused" : "series0",
              of.statement + ": " + of.answer);
    if (of.waits_from)
        rectangle(out, x_of(*of.waits_from), y, x_of(of.to) - x_of(*of.waits_from), lane_height, "waits", "waits");
    text(out, begin + 5, y + 19, "start", of.statement.substr(0, of.statement.find(' ')), "inside");
}

}  // namespace

std::string escaped(std::string_view text)
{
    std::string all;
    all.reserve(text.size());
    for (auto const c : text) {
        auto const code = static_cast<unsigned char>(c);
        if (c == '&') all += "&amp;";
        else if (c == '<') all += "&lt;";
        else if (c == '>') all += "&gt;";
        else if (c == '"') all += "&quot;";
        else if (c == '\'') all += "&#39;";
        else if ((code < 0x20 && c != '\n' && c != '\t') || code == 0x7F) all += "\xEF\xBF\xBD";
        else all += c;
    }
    return all;
}

void write_svg(std::ostream& out, chart const& of)
{
    auto const along = axis_for(of);
    auto const groups = static_cast<double>(
        std::count_if(of.bars.begin(), of.bars.end(), [](auto const& one) { return !one.label.empty(); }));
    auto const gap = of.series.empty() ? 0 : group_gap;
    auto const bottom = head + static_cast<double>(of.bars.size()) * bar_room + groups * gap;
    open_svg(out, bottom + foot + (of.series.empty() ? 0 : 18), of.title);
    write_axis(out, of, along, bottom);
    double y = head;
    for (auto const& one : of.bars) {
        if (!one.label.empty()) y += gap;
        auto const length = along.place_of(one.value) * plot;
        text(out, label_width - 8, y + 13, "end", one.label);
        rectangle(out, label_width, y + 2, length, bar_height, "series" + std::to_string(one.series),
                  one.text + ' ' + of.unit);
        text(out, label_width + length + 6, y + 13, "start", one.text);
        y += bar_room;
    }
    if (!of.series.empty()) write_legend(out, of, bottom + foot);
    out << "</svg>\n";
}

void write_svg(std::ostream& out, std::vector<step> const& steps)
{
    open_svg(out, head + lane_room * 2, "what the two sessions were at, from left to right");
    auto const unit = (width - lane_head) / static_cast<double>(std::max<std::size_t>(steps.size(), 1));
    text(out, 0, head + 19, "start", "session A");
    text(out, 0, head + lane_room + 19, "start", "session B");
    for (auto const& one : spans_of(steps)) write_span(out, one, unit);
    out << "</svg>\n";
}

}  // namespace pgtally::lab
