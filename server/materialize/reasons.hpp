#pragma once

#include <cstddef>
#include <set>
#include <string>

namespace pgtally::server {

// What was said already, so that trouble that comes again and again is said once. At most `most` are remembered; then
// all may be said again.
class reasons {
public:
    explicit reasons(std::size_t most) noexcept : most_{most} {}

    // Whether it is to be said now.
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
