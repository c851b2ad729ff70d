#pragma once

#include <pgtally/server/auth/rights.hpp>

#include <chrono>
#include <memory>

namespace pgtally::server {

// What one client may, and until when. The default: everything, for ever.
struct permit {
    static constexpr auto for_ever = std::chrono::sys_seconds::max();

    std::shared_ptr<rights const> may = rights::everything();  // never null
    std::chrono::sys_seconds until = for_ever;                 // `exp` of the token; rights end after the leeway

    bool by_token() const noexcept { return may->by_token(); }
};

}  // namespace pgtally::server
