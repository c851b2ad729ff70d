#include <pgtally/server/base/text.hpp>
#include <pgtally/server/http/forwarded.hpp>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

namespace pgtally::server {

namespace {

// Calls `take` with each piece between separators that are not inside quotes.
template <class Take>
void split(std::string_view text, char separator, Take take)
{
    bool quoted = false;
    std::size_t begin = 0;
    for (std::size_t at = 0; at < text.size(); ++at) {
        if (text[at] == '"') quoted = !quoted;
        if (quoted && text[at] == '\\') ++at;
        else if (!quoted && text[at] == separator) {
            take(text.substr(begin, at - begin));
            begin = at + 1;
        }
    }
    take(text.substr(std::min(begin, text.size())));
}

// A token, or a quoted text without its quotes and backslashes.
std::string unquoted(std::string_view text)
{
    if (text.size() < 2 || text.front() != '"' || text.back() != '"') return std::string{text};
    std::string out;
    for (std::size_t at = 1; at + 1 < text.size(); ++at) {
        if (text[at] == '\\' && at + 2 < text.size()) ++at;
        out += text[at];
    }
    return out;
}

// Whether the quote at this place is part of a quoted text: an odd number of backslashes is before it.
bool is_escaped(std::string_view text, std::size_t at) noexcept
{
    auto const before = text.substr(0, at);
    auto const other = before.find_last_not_of('\\');
    return (before.size() - (other == std::string_view::npos ? 0 : other + 1)) % 2 == 1;
}

// The last element of a list, which it takes from the list. Read from its end, so that a quote which a client opened and did not
// close cannot hide what a proxy appended.
std::string_view take_last(std::string_view& list, bool quotes) noexcept
{
    bool quoted = false;
    for (auto at = list.size(); at > 0; --at) {
        auto const c = list[at - 1];
        if (quotes && c == '"' && !is_escaped(list, at - 1)) quoted = !quoted;
        if (quoted || c != ',') continue;
        auto const out = list.substr(at);
        list = list.substr(0, at - 1);
        return out;
    }
    return std::exchange(list, {});
}

bool is_for(std::string_view name) noexcept
{
    return name.size() == 3 && (name[0] | 0x20) == 'f' && (name[1] | 0x20) == 'o' && (name[2] | 0x20) == 'r';
}

// The `for` of an element; empty if there is none.
std::string for_of(std::string_view element)
{
    std::string out;
    split(element, ';', [&](std::string_view pair) {
        auto const equals = pair.find('=');
        if (equals == std::string_view::npos || !is_for(trimmed(pair.substr(0, equals)))) return;
        out = unquoted(trimmed(pair.substr(equals + 1)));
    });
    return out;
}

// An address, with or without brackets and a port.
std::optional<ip_address> address_of(std::string_view hop)
{
    if (hop.starts_with('[')) {
        auto const end = hop.find(']');
        bool const port = end != std::string_view::npos && (end + 1 == hop.size() || hop[end + 1] == ':');
        return port ? parse_ip_address(hop.substr(1, end - 1)) : std::nullopt;
    }
    if (std::count(hop.begin(), hop.end(), ':') == 1) hop = hop.substr(0, hop.find(':'));
    return parse_ip_address(hop);
}

}  // namespace

bool is_trusted(std::vector<ip_network> const& trusted, ip_address const& address) noexcept
{
    return std::any_of(trusted.begin(), trusted.end(), [&](auto const& each) { return each.contains(address); });
}

ip_address client_of(ip_address const& peer, std::string_view x_forwarded_for, std::string_view forwarded,
                     std::vector<ip_network> const& trusted)
{
    auto out = peer;
    bool const by_for = x_forwarded_for.empty();
    auto rest = by_for ? forwarded : x_forwarded_for;
    for (std::size_t hops = 0; hops < max_forwarded_hops && !rest.empty() && is_trusted(trusted, out); ++hops) {
        auto const element = take_last(rest, by_for);
        auto const address = address_of(by_for ? for_of(element) : std::string{trimmed(element)});
        if (!address) break;
        out = *address;
    }
    return out;
}

}  // namespace pgtally::server
