// What a server answers to the commands that ask it: metrics, the list of tallies, counters, a stream of events.

#include "fuzz.hpp"

#include <pgtally/server/ask/answers.hpp>
#include <pgtally/server/ask/event_reader.hpp>
#include <pgtally/server/check/letter.hpp>
#include <pgtally/server/check/server_findings.hpp>

#include <algorithm>
#include <string>
#include <vector>

namespace {

using namespace pgtally::server;
using pgtally::fuzz::expect;

// The letter about a server that says so.
void write_letter(std::string_view metrics, std::string const& tallies)
{
    server_reading of;
    of.metrics = samples::parse(metrics);
    if (auto found = tallies_in(tallies)) of.tallies = std::move(*found);
    of.tallies.push_back({"t", "live"});
    of.now = 1'700'000'000;
    examination one;
    one.of = examination::subject::server;
    judge_service(of, one);
    judge_tallies(of, one);
    judge_use(of, one);
    examinations const all{one};
    for (letter_style const how : {letter_style{}, letter_style{.width = 20}}) {
        auto const text = text_of(all, how);
        bool const harmless =
            std::ranges::none_of(text, [](char c) { return (c >= 0 && c < ' ' && c != '\n') || c == 127; });
        expect(harmless, "no server can do anything to a terminal");
    }
    auto const counts = count(all);
    expect(counts.faults + counts.warnings + counts.notes == one.found.size(), "every finding is counted");
    std::size_t grouped = 0;
    for (auto const& group : groups_of(one)) grouped += group.found.size();
    expect(grouped >= one.found.size(), "every finding stands in a group");
    expect(json_of(all).ends_with("}\n"), "there is a document");
}

std::vector<std::string> events_of(std::string_view text, std::size_t piece)
{
    constexpr std::size_t most = 1000;
    event_reader reader{most};
    std::vector<std::string> out;
    for (std::size_t at = 0; at < text.size(); at += piece) {
        if (!reader.add(text.substr(at, piece))) return {};
        while (auto const event = reader.next()) {
            out.push_back(event->name + '\n' + event->data);
            pushed_in(event->name, event->data);
        }
    }
    return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size)
{
    auto const text = pgtally::fuzz::text_of(data, size);
    auto const middle = text.find('\0');
    auto const rest = middle == std::string_view::npos ? std::string_view{} : text.substr(middle + 1);
    write_letter(text.substr(0, middle), std::string{rest});
    keys_in(std::string{rest});
    top_in(std::string{rest});
    auto const byte_by_byte = events_of(text, 1);
    if (text.size() <= 500)
        expect(events_of(text, size + 1) == byte_by_byte, "events are found alike, however they are cut");
    return 0;
}
