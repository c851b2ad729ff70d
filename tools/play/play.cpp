#include "play.hpp"

#include <pugixml.hpp>

#include <algorithm>

namespace pgtally::play {
namespace {

std::size_t line_at(std::string_view text, std::size_t offset)
{
    auto const before = text.substr(0, offset);
    return 1 + static_cast<std::size_t>(std::count(before.begin(), before.end(), '\n'));
}

// The position of the first byte sequence that is not UTF-8; npos: none. pugixml does not check.
std::size_t find_invalid_utf8(std::string_view text)
{
    auto const byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
    for (std::size_t at = 0; at < text.size();) {
        auto const first = byte(at);
        auto const size = first < 0x80   ? 1U
                          : first < 0xC2 ? 0U
                          : first < 0xE0 ? 2U
                          : first < 0xF0 ? 3U
                          : first < 0xF5 ? 4U
                                         : 0U;
        if (size == 0 || size > text.size() - at) return at;
        char32_t point = size == 1 ? first : first & (0x7FU >> size);
        for (std::size_t i = 1; i < size; ++i) {
            if ((byte(at + i) & 0xC0U) != 0x80U) return at;
            point = point << 6U | (byte(at + i) & 0x3FU);
        }
        bool const overlong = (size == 3 && point < 0x800) || (size == 4 && point < 0x10000);
        if (overlong || point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF)) return at;
        at += size;
    }
    return std::string_view::npos;
}

// Appends the text of an element, with runs of white space folded into one blank and trimmed.
void append_text(pugi::xml_node node, std::string& out)
{
    for (auto const child : node.children()) {
        if (child.type() == pugi::node_element) {
            if (std::string_view(child.name()) != "STAGEDIR") append_text(child, out);
            continue;
        }
        for (char const c : std::string_view(child.value())) {
            bool const blank = c == ' ' || c == '\t' || c == '\n' || c == '\r';
            if (!blank) out += c;
            else if (!out.empty() && out.back() != ' ') out += ' ';
        }
    }
}

std::string text_of(pugi::xml_node node, std::string_view xml)
{
    std::string text;
    append_text(node, text);
    if (!text.empty() && text.back() == ' ') text.pop_back();
    if (find_invalid_utf8(text) != std::string_view::npos) {
        auto const line = line_at(xml, static_cast<std::size_t>(node.offset_debug()));
        throw broken_file(line, std::string(node.name()) + " refers to a character that there is not (&#...;)");
    }
    return text;
}

speech read_speech(pugi::xml_node node, std::string_view xml)
{
    speech found;
    for (auto const child : node.children()) {
        std::string_view const name = child.name();
        if (name != "SPEAKER" && name != "LINE") continue;
        auto text = text_of(child, xml);
        if (name == "SPEAKER") {
            auto const line = line_at(xml, static_cast<std::size_t>(child.offset_debug()));
            if (text.empty()) throw broken_file(line, "a SPEAKER without a name");
            found.speakers.push_back(std::move(text));
        } else if (!text.empty()) {
            if (!found.text.empty()) found.text += '\n';
            found.text += text;
        }
    }
    if (found.speakers.empty()) {
        auto const line = line_at(xml, static_cast<std::size_t>(node.offset_debug()));
        throw broken_file(line, "a SPEECH without a SPEAKER");
    }
    return found;
}

void collect(pugi::xml_node parent, std::string_view xml, std::vector<speech>& found)
{
    for (auto const child : parent.children()) {
        if (std::string_view(child.name()) != "SPEECH") {
            collect(child, xml, found);
            continue;
        }
        auto spoken = read_speech(child, xml);
        if (!spoken.text.empty()) found.push_back(std::move(spoken));
    }
}

}  // namespace

std::vector<speech> parse(std::string_view xml)
{
    if (auto const at = find_invalid_utf8(xml); at != std::string_view::npos)
        throw broken_file(line_at(xml, at), "this is not UTF-8");

    pugi::xml_document document;
    auto const result = document.load_buffer(xml.data(), xml.size(), pugi::parse_default, pugi::encoding_utf8);
    if (!result) throw broken_file(line_at(xml, static_cast<std::size_t>(result.offset)), result.description());

    auto const root = document.document_element();
    if (std::string_view(root.name()) != "PLAY") {
        auto const line = line_at(xml, static_cast<std::size_t>(root.offset_debug()));
        throw broken_file(line, "this is no PLAY but a " + std::string(root.name()));
    }
    std::vector<speech> found;
    collect(root, xml, found);
    if (found.empty()) throw broken_file(line_at(xml, xml.size()), "nobody says anything in it");
    return found;
}

}  // namespace pgtally::play
