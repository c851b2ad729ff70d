#pragma once

// A position: how far a tally's changes went, as an answer names it to clients. If positions are shared (stream.hpp),
// every server of the database knows them.

#include <pgtally/cache/subscription.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace pgtally::cache {

// Whether a tally has reached a position.
enum class arrival {
    reached,      // the tally is live, and contains everything up to there
    not_yet,      // it may do so later
    other_epoch,  // never: the position is one of another epoch
};

// A tally that is not live has not reached anything: it may lack a part of its last transaction. The epoch that it will
// have when it is live again is not known either; `at_last` judges by the present one, because the caller waits no longer.
arrival arrival_at(tally const& of, since_point const& at, bool at_last = false) noexcept;

// `<epoch>-<revision>`, as REST writes a position.
std::string to_text(since_point const& at);
std::optional<since_point> parse_position(std::string_view text);

}  // namespace pgtally::cache
