#pragma once

#include <pgtally/server/auth/rights.hpp>
#include <pgtally/server/auth/token_fault.hpp>

#include <chrono>
#include <memory>
#include <optional>

namespace pgtally::server {

// What one client may, and until when. The default: nothing, for ever.
struct permit {
    static constexpr auto for_ever = std::chrono::sys_seconds::max();

    static permit everything() { return {.may = rights::everything()}; }

    std::shared_ptr<rights const> may = rights::nothing();  // never null
    std::chrono::sys_seconds until = for_ever;              // `exp` of the token; the rights end after the leeway

    // Why the token of the client's cookie counts for nothing: then these are the rights of anybody.
    std::optional<token_fault> fault{};

    bool by_token() const noexcept { return may->by_token(); }
};

}  // namespace pgtally::server
