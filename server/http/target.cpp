#include <pgtally/server/http/target.hpp>

#include <algorithm>

namespace pgtally::server {

namespace {

int hex_value(char c) noexcept
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

std::optional<std::string> decoded(std::string_view text, bool plus_is_space)
{
    // Most keys have no escape.
    auto const is_escape = [&](char c) { return c == '%' || (c == '+' && plus_is_space); };
    if (std::ranges::none_of(text, is_escape)) return std::string{text};
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '+' && plus_is_space) {
            out += ' ';
        } else if (text[i] != '%') {
            out += text[i];
        } else {
            if (text.size() - i < 3) return std::nullopt;
            auto const high = hex_value(text[i + 1]), low = hex_value(text[i + 2]);
            if (high < 0 || low < 0) return std::nullopt;
            out += static_cast<char>(high * 16 + low);
            i += 2;
        }
    }
    return out;
}

// Calls `take` with each piece of `text` between separators.
template <class Take>
void split(std::string_view text, char separator, Take take)
{
    for (;;) {
        auto const at = text.find(separator);
        take(text.substr(0, at));
        if (at == std::string_view::npos) return;
        text.remove_prefix(at + 1);
    }
}

// Schemes have no upper and lower case (RFC 3986, 3.1). `scheme` is lower case, with `://`.
bool starts_with_scheme(std::string_view text, std::string_view scheme) noexcept
{
    if (text.size() < scheme.size()) return false;
    for (std::size_t i = 0; i < scheme.size(); ++i) {
        auto const c = text[i];
        if ((c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c) != scheme[i]) return false;
    }
    return true;
}

}  // namespace

std::optional<std::string_view> authority_of(std::string_view text) noexcept
{
    for (std::string_view const scheme : {"http://", "https://"}) {
        if (!starts_with_scheme(text, scheme)) continue;
        text.remove_prefix(scheme.size());
        return text.substr(0, text.find_first_of("/?#"));
    }
    return std::nullopt;
}

std::optional<target> split_target(std::string_view text)
{
    // RFC 9112, 3.2.2: a server must accept the absolute form too.
    if (auto const host = authority_of(text)) {
        auto const rest = host->data() + host->size();
        text = std::string_view{rest, static_cast<std::size_t>(text.data() + text.size() - rest)};
        // `http://host?query` has the path `/`.
        if (text.starts_with('/')) text.remove_prefix(1);
    } else {
        if (!text.starts_with('/')) return std::nullopt;
        text.remove_prefix(1);
    }
    text = text.substr(0, text.find('#'));

    target out;
    auto const question = text.find('?');
    split(text.substr(0, question), '/', [&](std::string_view segment) { out.path.push_back(segment); });
    if (question == std::string_view::npos) return out;

    split(text.substr(question + 1), '&', [&](std::string_view pair) {
        if (pair.empty()) return;
        auto const equals = pair.find('=');
        auto const value = equals == std::string_view::npos ? std::string_view{} : pair.substr(equals + 1);
        out.query.push_back({query_decoded(pair.substr(0, equals)).value_or(""), value});
    });
    return out;
}

std::optional<std::string> percent_decoded(std::string_view text)
{
    return decoded(text, false);
}

std::optional<std::string> query_decoded(std::string_view text)
{
    return decoded(text, true);
}

bool has_query(target const& split, std::string_view name)
{
    return std::any_of(split.query.begin(), split.query.end(), [&](auto const& each) { return each.name == name; });
}

std::optional<std::string> query_value(target const& split, std::string_view name)
{
    for (auto const& [each, value] : split.query) {
        if (each == name) return query_decoded(value);
    }
    return std::nullopt;
}

}  // namespace pgtally::server
