#include <pgtally/server/auth/key_file.hpp>
#include <pgtally/server/auth/key_set.hpp>

#include <cerrno>
#include <fstream>
#include <iterator>
#include <system_error>
#include <utility>

namespace pgtally::server {

namespace {

std::string content_of(std::string const& name, std::size_t most)
{
    errno = 0;
    std::ifstream file{name, std::ios::binary};
    std::string out(most + 1, '\0');
    file.read(out.data(), static_cast<std::streamsize>(out.size()));
    if (!file.is_open() || file.bad()) {
        auto const why = errno != 0 ? std::generic_category().message(errno) : std::string{"it cannot be read"};
        throw bad_key_file{name, why};
    }
    out.resize(static_cast<std::size_t>(file.gcount()));
    if (out.size() > most) throw bad_key_file{name, "it is larger than " + std::to_string(most) + " bytes"};
    return out;
}

}  // namespace

key_set key_set::of_files(std::vector<std::string> const& names, limits const& bounds)
{
    key_set out;
    for (auto const& name : names) {
        auto read = read_key_file(content_of(name, bounds.max_key_file_bytes));
        if (!read.wrong.empty()) throw bad_key_file{name, read.wrong};
        for (auto& key : read.keys) out.keys_.push_back(std::move(key));
        auto const most = bounds.max_token_keys;
        if (out.size() > most) throw bad_key_file{name, "there are more than " + std::to_string(most) + " keys"};
    }
    return out;
}

std::optional<token_fault> key_set::verify(jwt const& token) const
{
    bool has_algorithm = false, tried = false;
    for (auto const& key : keys_) {
        if (key.does() != token.claimed) continue;
        has_algorithm = true;
        if (token.kid && key.kid() && *token.kid != *key.kid()) continue;
        tried = true;
        if (key.verifies(token.signed_text, token.signature)) return std::nullopt;
    }
    if (tried) return token_fault::signature;
    return has_algorithm ? token_fault::unknown_key : token_fault::algorithm;
}

}  // namespace pgtally::server
