// Connection strings, and how libpq completes them from its environment.

#include <pgtally/db/detail/pq.hpp>
#include <pgtally/db/detail/pq_text.hpp>

#include <libpq-fe.h>

#include <algorithm>
#include <array>
#include <memory>
#include <new>

namespace pgtally::db::pq {
namespace {

// libpq quotes the part that it could not parse, which may be part of a password. Removes the text between the
// first and the last quote.
std::string without_quoted(std::string const& text)
{
    auto const first = text.find('"');
    auto const last = text.rfind('"');
    if (first == std::string::npos || first == last) return text.substr(0, first);
    return text.substr(0, first + 1) + "..." + text.substr(last);
}

struct free_options {
    void operator()(PQconninfoOption* raw) const noexcept { PQconninfoFree(raw); }
};
using option_list = std::unique_ptr<PQconninfoOption, free_options>;

// The values of secrets (dispchar "*") only if they are to be passed on to libpq; else they are empty.
options to_options(option_list const& list, bool secrets)
{
    options result;
    for (auto const* option = list.get(); option != nullptr && option->keyword != nullptr; ++option) {
        if (option->val == nullptr || option->val[0] == '\0') continue;
        bool const hidden = !secrets && option->dispchar[0] == '*';
        result.emplace(option->keyword, hidden ? "" : option->val);
    }
    return result;
}

// Options that a later libpq has. An older one calls them invalid, without a reason.
struct newer_option {
    std::string_view keyword;
    int libpq;
};

constexpr std::array<newer_option, 8> newer_options{{
    {"gssdelegation", 17},
    {"load_balance_hosts", 16},
    {"max_protocol_version", 18},
    {"min_protocol_version", 18},
    {"require_auth", 16},
    {"sslcertmode", 16},
    {"sslkeylogfile", 18},
    {"sslnegotiation", 17},
}};

// What libpq says about a connection string, in one line without parts of it.
std::string explained(std::string const& message)
{
    constexpr int of_major = 10'000;
    auto const refused = [&](newer_option const& one) {
        return one.libpq > PQlibVersion() / of_major &&
               message.find('"' + std::string(one.keyword) + '"') != std::string::npos;
    };
    auto const* const found = std::ranges::find_if(newer_options, refused);
    if (found == newer_options.end()) return without_quoted(message);
    return std::string(found->keyword) + " needs libpq " + std::to_string(found->libpq) + ", and this is libpq " +
           std::to_string(PQlibVersion() / of_major);
}

std::string shown(std::string_view text)
{
    return text.find('@') == std::string_view::npos ? std::string(text) : std::string("...");
}

}  // namespace

PGconn* start(options const& wanted)
{
    std::vector<char const*> keywords;
    std::vector<char const*> values;
    for (auto const& [keyword, value] : wanted) {
        keywords.push_back(keyword.c_str());
        values.push_back(value.c_str());
    }
    keywords.push_back(nullptr);
    values.push_back(nullptr);
    return PQconnectStartParams(keywords.data(), values.data(), 0);
}

options parse(std::string const& conninfo)
{
    char* raw_message = nullptr;
    option_list const list(PQconninfoParse(conninfo.c_str(), &raw_message));
    std::string message = explained(one_line(view(raw_message)));
    PQfreemem(raw_message);
    if (!list) throw error(errc::bad_config, "the connection string is not valid: " + message);
    return to_options(list, true);
}

options effective(options const& named)
{
    // Only a PGconn knows the service file's options. A connect with an impossible gssencmode fails after libpq
    // has read all options, and before it resolves a name or opens a socket.
    auto impossible = named;
    impossible.insert_or_assign("gssencmode", "?");
    std::unique_ptr<PGconn, decltype(&PQfinish)> const refused(start(impossible), &PQfinish);
    if (!refused) throw std::bad_alloc();
    option_list const list(PQconninfo(refused.get()));
    auto result = to_options(list, false);
    result.erase("gssencmode");
    return result;
}

std::string_view get(options const& from, std::string_view keyword) noexcept
{
    auto const found = from.find(keyword);
    return found == from.end() ? std::string_view() : std::string_view(found->second);
}

std::string describe(std::string_view places, std::string_view database, std::string_view user)
{
    std::string text(places);
    text += "/" + shown(database.empty() ? user : database);
    if (!user.empty()) text += " as " + shown(user);
    return text;
}

}  // namespace pgtally::db::pq
