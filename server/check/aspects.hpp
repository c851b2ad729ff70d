#pragma once

#include <pgtally/server/check/examination.hpp>

#include <span>
#include <string_view>

namespace pgtally::server {

// One thing that a group looks at. It passes if none of its kinds is found as an error or a warning.
struct aspect {
    std::string_view group;
    std::string_view name;   // for people: "its triggers"
    std::string_view kinds;  // of findings, separated by spaces
};

// Those of a subject, those of a group beside each other.
std::span<aspect const> aspects_of(examination::subject of) noexcept;

// The group that a finding belongs to.
std::string_view group_of(finding const& one) noexcept;

// Whether the finding is one of the aspect.
bool belongs(finding const& one, aspect const& to) noexcept;

}  // namespace pgtally::server
