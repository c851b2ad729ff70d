#pragma once

#include <pgtally/cache/limits.hpp>
#include <pgtally/cache/tally.hpp>

#include <string>
#include <string_view>

namespace pgtally::server {

// Where subscriptions find their tallies. The service implements it over its replicas.
class tally_directory {
public:
    // Null if there is no tally of this name, or none is known yet.
    virtual cache::tally* find(std::string_view name) = 0;

    // Whether the definitions are known. If not, a name that `find` does not find may still be that of a tally.
    virtual bool knows_tallies() const = 0;

    // Why the definitions cannot be read, if the error is permanent; else empty.
    virtual cache::reason failure() const = 0;

    // The bounds of every tally in it.
    virtual cache::limits const& bounds() const = 0;

protected:
    ~tally_directory() = default;
};

}  // namespace pgtally::server
