#pragma once

// Where a transport is in the order of commits.
//
// Model: a transport that knows the bounds of transactions also knows the position of each commit, a number that grows
// (by `wal`: the LSN of the commit's record). If the order is that of the database itself, positions mean the same on
// every server that follows it: they are the revisions of the tallies. `notify` knows no positions, so that its tallies
// count their own revisions.

#include <pgtally/cache/definition.hpp>

#include <cstdint>
#include <string>

namespace pgtally::cache {

struct stream {
    // Names the order of commits: the database system, its timeline, the database. Empty: positions mean nothing to
    // other servers, or there are none.
    std::string order;
    std::uint64_t reached = 0;     // everything up to this commit was applied here
    std::uint64_t committing = 0;  // the commit whose events are being applied; 0: none

    bool shared() const noexcept { return !order.empty(); }
};

// The epoch of a tally whose revisions are positions in `order`: a UUID (RFC 9562, version 8) that each server makes alike.
// Another order, definition or number is another epoch.
std::string shared_epoch(std::string const& order, definition const& of);

}  // namespace pgtally::cache
