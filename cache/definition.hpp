#pragma once

#include <pgtally/cache/key.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace pgtally::cache {

// What a replica knows of its tally: a row of `tally.tallies`.
struct definition {
    std::string name;
    std::string source;                 // the table that is counted, with its schema
    std::string key_type;               // the key expression's type as `format_type` prints it
    std::vector<std::string> counters;  // names, in the definition's order; 1 to 64
    std::vector<std::string> actions;   // names of the statements behind POST

    // What decides what the counters mean and how their events travel, as text: key, counters, filter, transport. If
    // definitions have no numbers: source and key type too.
    std::string fingerprint;

    std::string materialize{};         // the table that the counters are kept in, as SQL names it; empty: none
    std::string transport = "notify";  // the name of the transport by which its events travel

    // The number of the definition, which its events carry: new whenever the tally is created or altered, and when
    // `tally.reload` changes how it is counted. 0: the schema is of a version without numbers.
    std::uint64_t v = 0;

    key_kind kind() const noexcept { return key_kind_of(key_type); }
};

}  // namespace pgtally::cache
