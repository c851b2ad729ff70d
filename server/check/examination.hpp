#pragma once

#include <pgtally/server/check/finding.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace pgtally::server {

// What one run of the checks looked at, in its order, and found.

inline constexpr auto all_aspects = static_cast<std::size_t>(-1);

// A group of checks, as `aspects` lists them.
struct looked_at {
    std::string_view group;          // a literal
    std::string tally{};             // of the group "tally"
    std::string seen{};              // the facts, if all is well
    std::string skipped{};           // why it was not looked at; empty: it was
    std::size_t only = all_aspects;  // the first so many of its aspects were looked at
};

struct examination {
    enum class subject {
        database,
        server,  // that runs
    };

    subject of = subject::database;
    std::string title{};  // which one
    std::vector<looked_at> groups{};
    findings found{};

    void saw(std::string_view group, std::string seen, std::size_t only = all_aspects);
    void saw_tally(std::string tally, std::string seen, std::size_t only = all_aspects);
    void skipped(std::string_view group, std::string why);
};

}  // namespace pgtally::server
