#include <pgtally/server/ask/server_access.hpp>
#include <pgtally/server/base/limits.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <stdexcept>
#include <string_view>

namespace pgtally::server {

namespace {

// What a field of HTTP can carry without changing its meaning (RFC 6750, 2.1: b64token).
bool is_token(std::string_view text)
{
    constexpr std::string_view signs = "-._~+/=";
    return !text.empty() && std::ranges::all_of(text, [&](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               signs.find(c) != std::string_view::npos;
    });
}

std::string without_blanks(std::string const& text)
{
    constexpr auto blanks = " \t\r\n";
    auto const first = text.find_first_not_of(blanks);
    if (first == std::string::npos) return {};
    return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

std::string checked(std::string const& text, std::string const& whose)
{
    auto token = without_blanks(text);
    auto const most = limits{}.max_token_bytes;
    if (token.empty()) throw std::runtime_error{whose + " is empty: a token is needed there"};
    if (token.size() > most)
        throw std::runtime_error{whose + " is longer than " + std::to_string(most) + " bytes, which no server takes"};
    if (!is_token(token)) throw std::runtime_error{whose + " holds something else than one token"};
    return token;
}

}  // namespace

std::string read_token(token_source const& from)
{
    if (from.file.empty()) return from.text.empty() ? std::string{} : checked(from.text, "PGTALLY_TOKEN");
    auto const whose = "the token file " + from.file;
    std::ifstream in{from.file, std::ios::binary};
    // Blanks around the token, and one byte that shows that it is too long.
    std::string text(limits{}.max_token_bytes + 64, '\0');
    if (in) in.read(text.data(), static_cast<std::streamsize>(text.size()));
    if (in.bad() || !in.is_open() || (in.fail() && !in.eof()))
        throw std::runtime_error{whose + " cannot be read: " + std::strerror(errno)};
    text.resize(static_cast<std::size_t>(in.gcount()));
    return checked(text, whose);
}

std::string advice_on(unsigned status, token_source const& from)
{
    bool const has = !from.file.empty() || !from.text.empty();
    if (status == 401) {
        if (!from.file.empty()) return "put a token that this server takes into " + from.file;
        if (has) return "set PGTALLY_TOKEN to a token that this server takes, or use --token-file FILE";
        return "name a file that holds a token by --token-file FILE, or set PGTALLY_TOKEN";
    }
    if (status == 403) {
        return "use a token whose claim pgtally gives this: a rule with keys or a prefix gives those keys, and nothing "
               "about the others";
    }
    if (status == 404 && has) return "a tally that the token does not name is not found, either";
    return {};
}

}  // namespace pgtally::server
