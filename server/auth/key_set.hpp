#pragma once

#include <pgtally/server/auth/token_key.hpp>
#include <pgtally/server/base/limits.hpp>

#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace pgtally::server {

// A file of keys that cannot be used. what() names the file and says why, and has nothing of its content.
class bad_key_file : public std::runtime_error {
public:
    bad_key_file(std::string of, std::string const& why)
        : std::runtime_error{of + ": " + why}, file{std::move(of)}, reason{why}
    {
    }
    std::string file, reason;
};

// The keys of all files of --auth-key.
class key_set {
public:
    key_set() = default;
    explicit key_set(std::vector<token_key> keys) : keys_{std::move(keys)} {}

    // Reads the files. Throws `bad_key_file`.
    static key_set of_files(std::vector<std::string> const& names, limits const& bounds);

    std::size_t size() const noexcept { return keys_.size(); }

    // Why the token is not one of these keys; nothing if one of them signed it. A key is tried if it has the algorithm that
    // the header names, and the `kid`, or no `kid`.
    std::optional<token_fault> verify(jwt const& token) const;

private:
    std::vector<token_key> keys_;
};

}  // namespace pgtally::server
