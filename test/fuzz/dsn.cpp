// Connection strings: whatever they contain, no output about them contains a password.
//
// The input's first byte selects the place of the password; the rest are the parts around it, cut at line ends.

#include "fuzz.hpp"

#include <pgtally/db/config.hpp>
#include <pgtally/db/detail/pq.hpp>
#include <pgtally/db/detail/resolve.hpp>
#include <pgtally/db/error.hpp>

#include <array>
#include <string>

namespace {

using namespace pgtally::db;
using pgtally::fuzz::expect;

// Two halves, because a mistyped character may come between them: a slash, an @, …
constexpr std::string_view first_half = "s3cr3tA", second_half = "s3cr3tB";

struct pieces {
    std::array<std::string, 4> at;

    explicit pieces(std::string_view text)
    {
        for (auto& each : at) {
            auto const end = text.find('\n');
            each = text.substr(0, end);
            text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
        }
    }
};

std::string password_of(unsigned kind)
{
    constexpr std::array<std::string_view, 8> between{"", "/", "@", ":", "?", "%2F", "#", "%"};
    return std::string{first_half} + std::string{between[kind % between.size()]} + std::string{second_half};
}

// The parts of a user, a host and a database must not contain text that would move the password.
bool is_plain(std::string_view text)
{
    using namespace std::string_view_literals;
    return text.find_first_of(":/@?#%&='\\ \t\r\v\f\0[]"sv) == std::string_view::npos;
}

std::string connection_string(unsigned kind, pieces const& around)
{
    auto const& [a, b, c, d] = around.at;
    auto const password = password_of(kind >> 3);
    switch (kind % 5) {
        case 0: return "host='" + a + "' password='" + password + "' dbname='" + b + "' " + c;
        case 1: return "postgresql://" + a + ":" + password + "@" + b + "/" + c + d;
        case 2: return "postgres://" + a + "/" + b + "?password=" + password + "&" + c;
        case 3: return a + " password=" + password + " " + b;
        default: return "postgresql://" + a + ":" + password + "@" + b + "?" + c;
    }
}

void says_nothing(std::string_view text)
{
    expect(text.find(first_half) == text.npos, "the first half of the password is not shown");
    expect(text.find(second_half) == text.npos, "the second half of the password is not shown");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size)
{
    if (size == 0) return 0;
    auto const rest = pgtally::fuzz::text_of(data + 1, size - 1);
    pieces const around{rest};
    bool plain = rest.find("s3cr3t") == rest.npos;  // the test itself contains that text
    for (auto const& each : around.at) plain = plain && is_plain(each);
    auto const conninfo = plain ? connection_string(data[0], around) : std::string{rest};
    config const of{.conninfo = conninfo};
    auto const shown = of.redacted();
    expect(!shown.empty(), "something is shown");
    std::string failure;
    try {
        detail::targets(pq::effective(pq::parse(conninfo)));
    } catch (error const& e) {
        failure = e.what();
    }
    if (!plain) return 0;
    says_nothing(shown);
    says_nothing(failure);
    return 0;
}
