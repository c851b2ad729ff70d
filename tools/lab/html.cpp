#include "svg.hpp"
#include "whole.hpp"

#include <ostream>

namespace pgtally::lab {
namespace {

constexpr char const* style = R"(
:root { color-scheme: light dark; --ground: #fff; --text: #1b1f24; --soft: #59636e; --line: #d5dae0; --band: #f4f6f8;
  --series0: #2f6fb3; --series1: #b8690f; --series2: #2c8a57; --waits: #e0b252; --refused: #b5403a; --inside: #fff; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #14171b; --text: #e6e9ed; --soft: #9aa4af; --line: #363d46; --band: #1d2228;
    --series0: #5b9be0; --series1: #e09a4a; --series2: #52b583; --waits: #8a6a22; --refused: #e0726b; --inside: #101316; }
}
body { margin: 0 auto; padding: 1.5rem; max-width: 74rem; background: var(--ground); color: var(--text);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: 0 0 .25rem; }
h2 { font-size: 1.3rem; margin: 2.5rem 0 .5rem; padding-top: .75rem; border-top: 2px solid var(--line); }
h3 { font-size: 1rem; margin: 1.75rem 0 .5rem; }
h1 + p, figcaption { color: var(--soft); }
a { color: var(--series0); }
p { max-width: 52rem; margin: .5rem 0; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .6rem; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 600; }
thead th { vertical-align: bottom; }
th[scope=row] { white-space: nowrap; }
td { white-space: pre-line; }
td:first-child { white-space: nowrap; }
tbody tr:nth-child(even) { background: var(--band); }
.right { text-align: right; }
td.right { white-space: nowrap; }
.walk td, .walk td:first-child { white-space: pre-wrap; border-bottom: 0; font: .8125rem/1.35 ui-monospace, monospace; min-width: 18rem; }
figure { margin: 1rem 0; }
figcaption { font-size: .875rem; margin-bottom: .25rem; }
svg { max-width: 100%; height: auto; }
svg text { font: 12px system-ui, sans-serif; fill: var(--text); }
svg .mark { fill: var(--soft); font-size: 11px; }
svg .inside { fill: var(--inside); }
.grid { stroke: var(--line); }
.series0 { fill: var(--series0); } .series1 { fill: var(--series1); } .series2 { fill: var(--series2); }
.waits { fill: var(--waits); } .refused { fill: var(--refused); }
.failure { color: var(--refused); font-weight: 600; }
)";

void write_table(std::ostream& out, table const& data, bool walk)
{
    out << "<div class=\"wide\"><table" << (walk ? " class=\"walk\"" : "") << ">\n<thead><tr>";
    auto const kind = [&](std::size_t i) { return data.columns()[i].side == align::right ? " class=\"right\"" : ""; };
    for (std::size_t i = 0; i < data.columns().size(); ++i)
        out << "<th scope=\"col\"" << kind(i) << '>' << escaped(data.columns()[i].heading) << "</th>";
    out << "</tr></thead>\n<tbody>\n";
    for (auto const& row : data.rows()) {
        out << "<tr>";
        for (std::size_t i = 0; i < row.size(); ++i) out << "<td" << kind(i) << '>' << escaped(row[i].text) << "</td>";
        out << "</tr>\n";
    }
    out << "</tbody></table></div>\n";
}

void write_section(std::ostream& out, section const& of)
{
    out << "<h3>" << escaped(of.title) << "</h3>\n";
    write_table(out, of.data, !of.steps.empty());
    for (auto const& one : of.charts) {
        out << "<figure><figcaption>" << escaped(one.title) << ", " << escaped(one.unit) << "</figcaption>\n";
        write_svg(out, one);
        out << "</figure>\n";
    }
    if (!of.steps.empty()) {
        out << "<figure><figcaption>From left to right, as they came; yellow: waits; red: refused</figcaption>\n";
        write_svg(out, of.steps);
        out << "</figure>\n";
    }
    for (auto const& paragraph : of.says) out << "<p>" << escaped(paragraph) << "</p>\n";
}

// "isolation-walk" for "isolation --walk".
std::string anchor(std::string const& name)
{
    std::string all;
    for (auto const c : name) {
        if (c >= 'a' && c <= 'z') all += c;
        else if (!all.empty() && all.back() != '-') all += '-';
    }
    return all;
}

void write_report(std::ostream& out, report const& of)
{
    out << "<section id=\"" << anchor(of.experiment) << "\">\n<h2>" << escaped(of.experiment) << "</h2>\n";
    if (!of.failure.empty()) out << "<p class=\"failure\">It failed: " << escaped(of.failure) << "</p>\n";
    for (auto const& one : of.sections) write_section(out, one);
    out << "</section>\n";
}

void write_facts(std::ostream& out, char const* title, std::vector<fact> const& facts)
{
    out << "<h3>" << title << "</h3>\n<div class=\"wide\"><table><tbody>\n";
    for (auto const& one : facts)
        out << "<tr><th scope=\"row\">" << escaped(one.name) << "</th><td>" << escaped(one.value.text)
            << "</td></tr>\n";
    out << "</tbody></table></div>\n";
}

}  // namespace

void write_html(std::ostream& out, whole const& found)
{
    out << "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
           "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
           "<title>pgtally-lab</title>\n<style>"
        << style << "</style>\n</head>\n<body>\n<h1>pgtally-lab</h1>\n<p>The experiments of the article series "
        << "\u201CPostgreSQL Concurrency\u201D, run on " << escaped(found.begun) << ".</p>\n<nav><ul>\n";
    for (auto const& one : found.reports) {
        out << "<li><a href=\"#" << anchor(one.experiment) << "\">" << escaped(one.experiment) << "</a>"
            << (one.failure.empty() ? "" : " (failed)") << "</li>\n";
    }
    out << "</ul></nav>\n<section id=\"ran-on\">\n";
    write_facts(out, "Machine of the lab", found.machine);
    write_facts(out, "Server", found.server);
    out << "</section>\n";
    for (auto const& one : found.reports) write_report(out, one);
    out << "</body>\n</html>\n";
}

}  // namespace pgtally::lab
