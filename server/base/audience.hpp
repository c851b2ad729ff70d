#pragma once

#include <pgtally/cache/reason.hpp>

#include <string_view>

namespace pgtally::server {

// Who reads an answer: the public addresses are for everybody, the admin address is for operators.
enum class audience { everybody, operators };

// A reason without names of hosts, databases and roles for everybody; all of it for operators. Lifetime: that of `why`.
inline std::string_view text_for(audience who, cache::reason const& why) noexcept
{
    return who == audience::operators ? std::string_view{why.text()} : why.in_public();
}

}  // namespace pgtally::server
