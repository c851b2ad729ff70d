#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace pgtally::server {

// What an answer shows, as tags name it. A tag is `W/"<epoch>-<revision>"`: whoever has it, has the answer as of that
// revision.
struct shown_state {
    std::string_view epoch;
    std::uint64_t changed_at = 0;  // the revision at which what is shown changed last; the revision of its own tag
    std::uint64_t revision = 0;    // of the tally
};

std::string make_etag(shown_state const& of);

// Whether a field If-Match or If-None-Match lists the present state, or `*`. A tag does if nothing that is shown changed
// after its revision, so that a tag of another server of the same epoch does, too; a revision that is not reached here
// does not. All tags here are weak, so that both fields compare weakly (RFC 9110, 8.8.3.2).
bool lists(std::string_view field, shown_state const& of) noexcept;

}  // namespace pgtally::server
