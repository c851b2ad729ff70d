#include <pgtally/server/ask/readable.hpp>
#include <pgtally/server/check/letter.hpp>
#include <pgtally/server/check/meanings.hpp>
#include <pgtally/server/check/wrapped.hpp>

#include <algorithm>
#include <array>

namespace pgtally::server {

namespace {

// SGR parameters (ECMA-48, 8.3.117).
constexpr std::string_view bold = "1", red = "1;31", yellow = "33", green = "32", cyan = "36";

std::string painted(std::string_view text, std::string_view how, letter_style style)
{
    if (!style.colours) return std::string{text};
    return std::string{"\x1b["}.append(how).append("m").append(text).append("\x1b[0m");
}

std::string counted(std::size_t number, std::string_view what)
{
    return std::to_string(number) + ' ' + std::string{what} + (number == 1 ? "" : "s");
}

std::string_view word_for_people(finding::severity how_bad) noexcept
{
    return how_bad == finding::severity::error ? "fault" : word_of(how_bad);
}

std::string_view colour_of(finding::severity how_bad) noexcept
{
    switch (how_bad) {
        case finding::severity::error: return red;
        case finding::severity::warning: return yellow;
        case finding::severity::note: return cyan;
    }
    return red;
}

// A line that begins with a label, of which the first `label` columns are painted.
std::string item(std::size_t indent, std::string_view label, std::string_view colour, std::string const& text,
                 letter_style style)
{
    auto const start = std::string(indent, ' ');
    auto body = wrapped(std::string{label} + ": " + text, indent, indent + 2, style.width);
    if (!colour.empty()) body.replace(0, label.size(), painted(label, colour, style));
    return start + body + '\n';
}

// A statement is not wrapped, so that it can be copied as it is.
std::string remedy_of(finding const& one, letter_style style)
{
    auto const text = printable(one.remedy);
    if (is_statement(text)) style.width = 0;
    return item(4, "remedy", {}, text, style);
}

std::string text_of(finding const& one, letter_style style)
{
    auto const said = printable(kind_of(one)) + ": " + printable(one.message);
    auto out = item(2, word_for_people(one.how_bad), colour_of(one.how_bad), said, style);
    if (auto const means = meaning_of(one); !means.empty()) out += item(4, "means", {}, std::string{means}, style);
    return out + remedy_of(one, style);
}

std::string verdict(letter_group const& group, letter_style style)
{
    if (!group.what.skipped.empty() && group.found.empty()) return painted("not looked at", yellow, style);
    std::array<std::size_t, 3> counts{};
    for (auto const* one : group.found) ++counts[static_cast<std::size_t>(one->how_bad)];
    auto const [faults, warnings, notes] = counts;
    std::string out;
    auto const add = [&](std::size_t number, std::string_view what, std::string_view colour) {
        if (number != 0) out += (out.empty() ? "" : ", ") + painted(counted(number, what), colour, style);
    };
    if (faults + warnings == 0) out = painted("well", green, style);
    add(faults, "fault", red);
    add(warnings, "warning", yellow);
    add(notes, "note", cyan);
    return out;
}

std::string text_of(letter_group const& group, letter_style style)
{
    auto const name =
        std::string{group.what.group} + (group.what.tally.empty() ? "" : ' ' + printable(group.what.tally));
    auto const plain = verdict(group, {});
    auto const& fact = group.what.skipped.empty() ? group.what.seen : group.what.skipped;
    auto line = wrapped(name + ": " + plain + (fact.empty() ? "" : "; " + printable(fact)), 0, 2, style.width);
    // The words are painted after the line is wrapped: sequences have no columns.
    if (style.colours && line.starts_with(name + ": " + plain))
        line.replace(0, name.size() + 2 + plain.size(), painted(name, bold, style) + ": " + verdict(group, style));
    auto out = line + '\n';
    if (!group.found.empty() && !group.aspects.empty()) {
        std::string all;
        for (auto const& each : group.aspects) all += (all.empty() ? "" : ", ") + std::string{each};
        out += item(2, "looked at", {}, all, style);
    }
    for (auto const* one : group.found) out += text_of(*one, style);
    return out;
}

std::string summary(examinations const& all, letter_style style)
{
    auto const of = count(all);
    bool const good = of.faults + of.warnings == 0;
    std::string out;
    if (good) {
        out = "nothing found that keeps counters from being exact or live";
    } else {
        out = painted(counted(of.faults, "fault"), of.faults != 0 ? red : green, style) + ", " +
              painted(counted(of.warnings, "warning"), of.warnings != 0 ? yellow : green, style);
    }
    if (of.notes != 0) out += ", " + counted(of.notes, "note");
    out += ", " + counted(of.passed, "check") + " passed";
    if (of.skipped != 0) out += ", " + counted(of.skipped, "group") + " not looked at";
    return out + '\n';
}

}  // namespace

bool understands_sequences(std::string_view term) noexcept
{
    return !term.empty() && term != "dumb";
}

letter_style style_for(bool terminal, std::size_t columns, std::string_view term, std::string_view no_color) noexcept
{
    letter_style out;
    if (!terminal) return out;
    out.width = columns;
    out.colours = understands_sequences(term) && no_color.empty();
    return out;
}

std::string text_of(examinations const& all, letter_style how)
{
    std::string out;
    for (auto const& each : all) {
        out += painted(printable(each.title), bold, how) + "\n\n";
        for (auto const& group : groups_of(each)) out += text_of(group, how);
        out += '\n';
    }
    return out + summary(all, how);
}

}  // namespace pgtally::server
