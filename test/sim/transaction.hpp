#pragma once

#include "values.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace pgtally::sim {

// One thing that a transaction does to a source.
struct deed {
    enum class kind {
        row,       // adds a row to the count, or removes one
        truncate,  // the table gets an empty file
        rewrite,   // the table gets a new file with the same rows, all of them written by this transaction
        define,    // another definition; the triggers are made again
        unseen,    // rows come that no trigger sees: a partition is attached, values are rewritten
    };
    kind what{};
    std::size_t tally = 0, key = 0;
    numbers delta{};
    meaning becomes{};
};

// An event of a transaction, and the changes that it describes.
struct message {
    std::string text;
    std::array<bool, transport_count> by{};  // none: the statement's sums are all 0, so it sends nothing
    std::size_t tally = 0;
    std::vector<deed> tells;
    bool unseen = false;  // a change that should be told, and is not
};

// A committed transaction and its effects, in order.
struct committed {
    std::uint64_t xid = 0;
    std::vector<deed> deeds;
    std::vector<message> messages;
};

// A writer's session with the transaction that is open in it.
struct session {
    enum class phase {
        idle,     // no transaction has written here
        active,   // it has an id
        flushed,  // its commit is on disk, but no snapshot sees it yet
    };
    struct savepoint {
        std::size_t deeds, messages;
    };
    struct locks {
        bool writes = false, owns = false, defines = false;  // ROW EXCLUSIVE, ACCESS EXCLUSIVE, SHARE ROW EXCLUSIVE
    };

    phase at = phase::idle;
    std::uint64_t xid = 0, last_id = 0;  // its own id, the highest of its subtransactions'
    committed work;
    std::vector<savepoint> savepoints;
    locks held[tally_count];

    bool notifies() const noexcept
    {
        for (auto const& each : work.messages) {
            if (each.by[notify]) return true;
        }
        return false;
    }
};

}  // namespace pgtally::sim
