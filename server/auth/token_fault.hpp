#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace pgtally::server {

// Why a token is refused.
enum class token_fault {
    too_long,     // more than `limits::max_token_bytes`
    malformed,    // not three parts, or a part that is not what it should be
    algorithm,    // none, or one that no key of this server has
    critical,     // the header requires an extension (`crit`)
    unknown_key,  // no key has the `kid` of the header and its algorithm
    signature,    // it was made by another key, or for another text
    claims,       // a claim is missing, or is not what it should be
    rules,        // the claim `pgtally` is not what it should be
    expired,
    not_yet,   // `nbf` is in the future
    audience,  // it is for somebody else
    issuer,    // it is from somebody else
};

inline constexpr std::size_t token_fault_count = 12;

// The reason for people. It contains nothing of the token.
std::string_view explain(token_fault what) noexcept;

// The reason for metrics: the enumerator's name.
std::string_view name_of(token_fault what) noexcept;

// How many tokens were refused, by the reason.
class refused_tokens {
public:
    void add(token_fault why) noexcept { ++counts_.at(static_cast<std::size_t>(why)); }

    // Calls `visit(token_fault, count)` for every reason, those that never occurred too.
    template <class Visit>
    void each(Visit visit) const
    {
        for (std::size_t at = 0; at < counts_.size(); ++at) visit(static_cast<token_fault>(at), counts_.at(at));
    }

private:
    std::array<std::uint64_t, token_fault_count> counts_{};
};

}  // namespace pgtally::server
