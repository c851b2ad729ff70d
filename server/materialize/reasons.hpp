#pragma once

#include <cstddef>
#include <set>
#include <string>

namespace pgtally::server {

// The reasons that were logged, so that a reason that persists is logged once. The class remembers `most` of them; then
// it forgets all, and each may be logged again.
class reasons {
public:
    explicit reasons(std::size_t most) noexcept : most_{most} {}

    // Whether the reason is new and should be logged. Remembers it.
    bool is_new(std::string const& reason)
    {
        if (said_.size() >= most_ && !said_.contains(reason)) said_.clear();
        return said_.insert(reason).second;
    }

    void clear() noexcept { said_.clear(); }

private:
    std::size_t most_;
    std::set<std::string> said_;
};

}  // namespace pgtally::server
