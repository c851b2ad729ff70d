#include <pgtally/server/auth/key_set.hpp>
#include <pgtally/server/cli/token_options.hpp>

#include <algorithm>
#include <string>

namespace pgtally::server {

bool is_field_name(std::string_view text)
{
    constexpr std::string_view characters =
        "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    return !text.empty() && text.size() <= 100 && text.find_first_not_of(characters) == std::string_view::npos;
}

bool is_tally_name(std::string_view text)
{
    auto const letter = [](char c) { return c >= 'a' && c <= 'z'; };
    auto const good = [&](char c) { return letter(c) || c == '_' || (c >= '0' && c <= '9'); };
    return !text.empty() && text.size() <= 63 && letter(text.front()) && std::all_of(text.begin(), text.end(), good);
}

auth_options tokens_of(option_values const& values, limits const& bounds)
{
    auth_options out;
    out.key_files = values.list("auth-key");
    out.cookie = values.text("auth-cookie", "");
    out.audience = values.text("auth-audience", "");
    out.issuer = values.text("auth-issuer", "");
    out.public_tallies = values.list("public");
    if (!out.cookie.empty() && !is_field_name(out.cookie))
        values.refuse("auth-cookie", out.cookie, "the name of a cookie, like session");
    for (auto const& name : out.public_tallies) {
        if (name != "*" && !is_tally_name(name)) values.refuse("public", name, "a tally's name, or *");
    }
    if (out.key_files.empty()) {
        // Without keys these would promise a protection that is not there.
        for (char const* const name : {"auth-cookie", "auth-audience", "auth-issuer", "public"}) {
            bool const given =
                name == std::string_view{"public"} ? !values.list(name).empty() : !values.text(name, "").empty();
            if (given)
                throw bad_option{"--" + std::string{name} +
                                 ": needs --auth-key; without keys everybody reads everything"};
        }
    }
    try {
        key_set::of_files(out.key_files, bounds);
    } catch (bad_key_file const& e) {
        throw bad_option{"--auth-key: " + shown(e.file) + " is not a file of keys: " + e.reason};
    }
    return out;
}

}  // namespace pgtally::server
