// Frames of a WebSocket's client: any bytes are read without harm, and in pieces as in one.
//
// The first byte of an input is the size of the pieces; the rest is what the client sends.

#include "fuzz.hpp"

#include <pgtally/cache/key.hpp>
#include <pgtally/server/ws/frame_reader.hpp>

#include <algorithm>
#include <span>
#include <string>
#include <vector>

namespace {

using pgtally::fuzz::expect;
using pgtally::server::frame_reader;
using kind = frame_reader::item::kind;

constexpr std::size_t most = 1'000;

// What the reader finds, as a text.
std::string found_in(std::string bytes, std::size_t piece)
{
    frame_reader reader{most};
    std::string out;
    for (std::size_t at = 0; at < bytes.size(); at += piece) {
        auto rest = std::span{bytes}.subspan(at, std::min(piece, bytes.size() - at));
        while (!rest.empty()) {
            auto const before = rest.size();
            auto const item = reader.next(rest);
            expect(rest.size() < before, "each call reads something");
            if (item.what == kind::none) continue;
            if (item.what == kind::text) expect(item.payload.size() <= most, "a message has at most its limit");
            if (item.what == kind::ping) expect(item.payload.size() <= 125, "a ping has at most 125 bytes");
            if (item.what == kind::text) {
                std::string text{item.payload};
                std::erase(text, '\0');
                expect(pgtally::cache::is_text(text), "a message is UTF-8");
            }
            out += std::to_string(static_cast<int>(item.what)) + ' ' + std::to_string(item.code) + ' ';
            out.append(item.payload).append("\n");
            if (item.what == kind::close || item.what == kind::broken) return out;
        }
    }
    return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size)
{
    if (size == 0) return 0;
    std::string const bytes{pgtally::fuzz::text_of(data + 1, size - 1)};
    auto const whole = found_in(bytes, bytes.size() + 1);
    expect(found_in(bytes, std::size_t{data[0]} % 16 + 1) == whole, "pieces do not matter");
    return 0;
}
