#pragma once

// Judges tokens, and says what clients without one may.
//
// Model: without keys there are no tokens, and everybody may everything. With keys, a client without a token may read the
// tallies of --public; a token gives these and its own rules.
//
// Threads: one.

#include <pgtally/server/auth/key_set.hpp>
#include <pgtally/server/auth/permit.hpp>
#include <pgtally/server/auth/token_fault.hpp>
#include <pgtally/server/base/limits.hpp>
#include <pgtally/server/base/serve_options.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <string_view>
#include <variant>

namespace pgtally::server {

class authority {
public:
    // Reads the keys. Throws `bad_key_file`. Lifetime: the arguments outlive it.
    authority(auth_options const& chosen, limits const& bounds);

    // Whether the server has keys.
    bool requires_tokens() const noexcept { return keys_.size() > 0; }

    // The name of the cookie that carries a token; empty: none does.
    std::string_view cookie() const noexcept { return chosen_.cookie; }

    // What a client without a token may.
    permit const& anybody() const noexcept { return anybody_; }

    // Counts what it refuses.
    std::variant<permit, token_fault> judge(std::string_view token, std::chrono::sys_seconds now) const;

    refused_tokens const& refused() const noexcept { return refused_; }

    // When the rights of a permit end: after the leeway.
    std::chrono::sys_seconds end_of(permit const& what) const noexcept;

    // Reads the keys again, and returns how many there are. If a file cannot be used, throws `bad_key_file`, and keeps those
    // that there were. Permits that were given stay until they end.
    std::size_t read_keys();

private:
    std::variant<permit, token_fault> judged(std::string_view token, std::chrono::sys_seconds now) const;

    auth_options const& chosen_;
    limits const& bounds_;
    key_set keys_;
    permit anybody_;
    mutable refused_tokens refused_;  // a count: no verdict depends on it
};

}  // namespace pgtally::server
