// Frames by their bytes, whole and in pieces.

#include <pgtally/server/ws/frame_reader.hpp>
#include <pgtally/server/ws/frame_writer.hpp>

#include <boost/test/unit_test.hpp>

#include <string>
#include <vector>

namespace pgtally::server {

namespace {

using kind = frame_reader::item::kind;

struct found {
    kind what;
    std::string payload;
    std::uint16_t code;
    friend bool operator==(found const&, found const&) = default;
    friend std::ostream& operator<<(std::ostream& out, found const& of)
    {
        return out << static_cast<int>(of.what) << ' ' << of.code << " \"" << of.payload.substr(0, 40) << '"';
    }
};

struct frame {
    unsigned opcode = 1;
    std::string payload{};
    bool final = true;
    unsigned reserved = 0;
    bool masked = true;
    int length_bytes = -1;  // how the length is encoded: as short as possible
};

std::string bytes_of(frame const& of)
{
    std::string out{static_cast<char>((of.final ? 0x80U : 0U) | of.reserved << 4U | of.opcode)};
    auto const size = of.payload.size();
    auto const bytes = of.length_bytes >= 0 ? of.length_bytes : size < 126 ? 0 : size < 65'536 ? 2 : 8;
    out += static_cast<char>((of.masked ? 0x80U : 0U) | (bytes == 0 ? size : bytes == 2 ? 126U : 127U));
    for (int i = bytes - 1; i >= 0; --i) out += static_cast<char>(size >> (8 * i) & 0xff);
    std::string const mask{"\x11\x22\x33\x44"};
    if (of.masked) out += mask;
    for (std::size_t i = 0; i < size; ++i)
        out += static_cast<char>(of.masked ? of.payload[i] ^ mask[i % 4] : of.payload[i]);
    return out;
}

// What the reader finds if the bytes come in pieces of this size.
std::vector<found> read(std::string bytes, std::size_t piece, std::size_t most = 1U << 20)
{
    frame_reader reader{most};
    std::vector<found> out;
    for (std::size_t at = 0; at < bytes.size(); at += piece) {
        auto rest = std::span{bytes}.subspan(at, std::min(piece, bytes.size() - at));
        while (!rest.empty()) {
            auto const item = reader.next(rest);
            if (item.what == kind::none) continue;
            out.push_back({item.what, std::string{item.payload}, item.code});
            if (item.what == kind::broken) out.back().payload.clear();
            if (item.what == kind::broken || item.what == kind::close) return out;
        }
    }
    return out;
}

std::string bytes_of(std::vector<frame> const& all)
{
    std::string out;
    for (auto const& each : all) out += bytes_of(each);
    return out;
}

void expect(std::vector<frame> const& all, std::vector<found> const& wanted)
{
    auto const bytes = bytes_of(all);
    for (auto const piece :
         {std::size_t{1}, std::size_t{2}, std::size_t{3}, std::size_t{7}, std::size_t{4'096}, bytes.size()}) {
        BOOST_TEST_CONTEXT("pieces of " << piece)
        BOOST_TEST(read(bytes, piece) == wanted, boost::test_tools::per_element());
    }
}

found text(std::string what)
{
    return {kind::text, std::move(what), 0};
}
found broken(std::uint16_t code)
{
    return {kind::broken, {}, code};
}

}  // namespace

BOOST_AUTO_TEST_SUITE(test_frame_reader)

BOOST_AUTO_TEST_CASE(texts_of_any_length)
{
    for (auto const size : {0U, 1U, 7U, 8U, 9U, 125U, 126U, 127U, 65'535U, 65'536U, 70'000U}) {
        std::string long_text;
        for (unsigned i = 0; i < size; ++i) long_text += static_cast<char>('a' + i % 26);
        expect({{.payload = long_text}, {.payload = "next"}}, {text(long_text), text("next")});
    }
}

BOOST_AUTO_TEST_CASE(fragments_and_control_frames_between)
{
    expect({{.payload = "a", .final = false},
            {.opcode = 9, .payload = "1"},
            {.opcode = 0, .payload = "", .final = false},
            {.opcode = 10, .payload = "unasked"},
            {.opcode = 0, .payload = "bc", .final = false},
            {.opcode = 9},
            {.opcode = 0, .payload = "d"},
            {.payload = "e"}},
           {{kind::ping, "1", 0}, {kind::ping, "", 0}, text("abcd"), text("e")});
    expect({{.payload = "x", .final = false}, {.opcode = 0, .payload = ""}}, {text("x")});
}

BOOST_AUTO_TEST_CASE(a_text_is_utf8)
{
    expect({{.payload = "gr\xc3\xbc\xc3\x9f"}}, {text("gr\xc3\xbc\xc3\x9f")});
    expect({{.payload = "\xf0\x9f", .final = false}, {.opcode = 9}, {.opcode = 0, .payload = "\x98\x80"}},
           {{kind::ping, "", 0}, text("\xf0\x9f\x98\x80")});
    for (std::string const bad : {"\xff", "\xc3", "a\xed\xa0\x80", "\xc0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\x80"})
        expect({{.payload = bad}}, {broken(1007)});
    expect({{.payload = "\xe2\x82", .final = false}, {.opcode = 0}}, {broken(1007)});
    // The next message begins anew.
    expect({{.payload = "\xc3\xbc"}, {.payload = "\xbc"}}, {text("\xc3\xbc"), broken(1007)});
}

BOOST_AUTO_TEST_CASE(bad_utf8_is_found_before_the_message_ends)
{
    auto const bytes = bytes_of(frame{.payload = "ab\xff" + std::string(1'000, 'x')});
    BOOST_TEST(read(bytes.substr(0, 20), 20) == std::vector{broken(1007)}, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(what_breaks_the_protocol)
{
    std::string const long_payload(126, 'x');
    std::vector<frame> const all{{.masked = false},
                                 {.opcode = 8, .masked = false},
                                 {.payload = "{}", .reserved = 1},
                                 {.payload = "{}", .reserved = 4},
                                 {.opcode = 9, .reserved = 2},
                                 {.opcode = 9, .payload = long_payload},
                                 {.opcode = 8, .payload = long_payload},
                                 {.opcode = 10, .final = false},
                                 {.opcode = 8, .payload = "x"},
                                 {.opcode = 0, .payload = "{}"},
                                 {.payload = "x", .length_bytes = 2},
                                 {.payload = long_payload, .length_bytes = 8}};
    for (auto const& each : all) expect({each}, {broken(1002)});
    for (unsigned const opcode : {3, 4, 5, 6, 7, 11, 12, 13, 14, 15}) expect({{.opcode = opcode}}, {broken(1002)});
    expect({{.payload = "{", .final = false}, {.payload = "}"}}, {broken(1002)});
    expect({{.payload = "a"}, {.opcode = 0}}, {text("a"), broken(1002)});
    std::string const negative{"\x81\xff\x80\0\0\0\0\0\0\0\0\0\0\0", 14};
    BOOST_TEST(read(negative, 14) == std::vector{broken(1002)}, boost::test_tools::per_element());
    expect({{.opcode = 2, .payload = "x"}}, {broken(1003)});
}

BOOST_AUTO_TEST_CASE(a_message_that_is_too_long_is_refused_by_its_head)
{
    auto const head = bytes_of(frame{.payload = std::string(11, 'x')}).substr(0, 6);
    BOOST_TEST(read(head, 6, 10) == std::vector{broken(1009)}, boost::test_tools::per_element());
    BOOST_TEST(read(bytes_of(frame{.payload = "0123456789"}), 3, 10) == std::vector{text("0123456789")},
               boost::test_tools::per_element());
    auto const fragments = bytes_of({{.payload = "012345", .final = false}, {.opcode = 0, .payload = "67890"}});
    BOOST_TEST(read(fragments, 4, 10) == std::vector{broken(1009)}, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(closes)
{
    auto const close = [](unsigned code, std::string reason = {}) {
        return frame{.opcode = 8,
                     .payload = std::string{static_cast<char>(code >> 8U), static_cast<char>(code & 0xff)} + reason};
    };
    expect({{.opcode = 8}}, {{kind::close, "", 0}});
    for (unsigned const code : {1000, 1001, 1003, 1007, 1014, 3000, 4999})
        expect({close(code, "why")}, {{kind::close, "why", static_cast<std::uint16_t>(code)}});
    for (unsigned const code : {0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65'535})
        expect({close(code)}, {broken(1002)});
    for (auto const* const reason : {"\xff", "\xc3", "\xed\xa0\x80"}) expect({close(1000, reason)}, {broken(1007)});
}

BOOST_AUTO_TEST_CASE(what_a_server_writes)
{
    std::string out;
    append_text_head(out, 5);
    BOOST_TEST(out == "\x81\x05");
    out.clear();
    append_text_head(out, 126);
    BOOST_TEST(out == std::string("\x81\x7e\0\x7e", 4));
    out.clear();
    append_text_head(out, 65'536);
    BOOST_TEST(out == std::string("\x81\x7f\0\0\0\0\0\1\0\0", 10));
    out.clear();
    append_ping(out);
    append_pong(out, "x");
    append_close(out, 0, "not sent");
    BOOST_TEST(out == std::string("\x89\0\x8a\1x\x88\0", 7));
    out.clear();
    append_close(out, 1001, "bye");
    BOOST_TEST(out ==
               "\x88\x05\x03\xe9"
               "bye");
    out.clear();
    // 122 bytes, and a character of two that would be the 123rd and 124th.
    append_close(out, 1000, std::string(122, 'r') + "\xc3\xbc");
    BOOST_TEST(out.size() == 2U + 2 + 122);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace pgtally::server
