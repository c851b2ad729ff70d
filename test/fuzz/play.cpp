// Plays in XML: any text is a list of speeches or an error with its line. Speeches that are written as a play are
// read as the same speeches.

#include "fuzz.hpp"

#include <pgtally/cache/key.hpp>
#include <pgtally/tools/play/play.hpp>

#include <algorithm>
#include <string>

namespace {

using namespace pgtally::play;
using pgtally::fuzz::expect;

void append_element(std::string& out, char const* name, std::string_view text)
{
    out += std::string{"<"} + name + ">";
    for (char const c : text) {
        if (c == '<') out += "&lt;";
        else if (c == '&') out += "&amp;";
        else out += c;
    }
    out += std::string{"</"} + name + ">\n";
}

std::string written_down(std::vector<speech> const& all)
{
    std::string out = "<PLAY>\n";
    for (auto const& each : all) {
        out += "<SPEECH>";
        for (auto const& speaker : each.speakers) append_element(out, "SPEAKER", speaker);
        std::string_view rest = each.text;
        while (!rest.empty()) {
            auto const end = std::min(rest.find('\n'), rest.size());
            append_element(out, "LINE", rest.substr(0, end));
            rest.remove_prefix(std::min(end + 1, rest.size()));
        }
        out += "</SPEECH>\n";
    }
    return out + "</PLAY>";
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size)
{
    auto const text = pgtally::fuzz::text_of(data, size);
    std::vector<speech> found;
    try {
        found = parse(text);
    } catch (broken_file const& e) {
        auto const lines = 1 + static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
        expect(e.line() >= 1 && e.line() <= lines, "what is broken is in a line of the file");
        return 0;
    }
    expect(!found.empty(), "somebody says something");
    for (auto const& each : found) {
        expect(!each.speakers.empty(), "somebody says it");
        expect(!each.text.empty() && pgtally::cache::is_text(each.text), "what is said is a text of PostgreSQL");
        for (auto const& speaker : each.speakers) {
            expect(!speaker.empty() && pgtally::cache::is_text(speaker), "a speaker has a name");
        }
    }
    auto const twice = parse(written_down(found));
    expect(twice.size() == found.size(), "a play written down has as many speeches");
    for (std::size_t i = 0; i < found.size(); ++i) {
        expect(twice[i].speakers == found[i].speakers && twice[i].text == found[i].text, "and the same ones");
    }
    return 0;
}
