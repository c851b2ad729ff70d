#pragma once

// One load of one tally: the steps of tally.hpp, on a connection of its own.
//
// Model: one statement under read committed reads both the fence and the truth. It is a cursor's query: its snapshot is
// taken when the cursor is declared, after the source was locked. (A function takes the lock, so that the role needs no
// right on the source. Under repeatable read the call of that function would take the snapshot, before the lock.) The
// fence is the first row, so it is known before the truth is computed. Without the lock, a TRUNCATE or a rewrite of the
// table that commits between the snapshot and the first row would make the load read an empty table.

#include <pgtally/cache/replica/transport.hpp>
#include <pgtally/cache/tally.hpp>
#include <pgtally/db/connection.hpp>

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>

namespace pgtally {

// Why a load failed, other than by a db::error.
struct load_failure : std::runtime_error {
    load_failure(std::string const& why, bool is_permanent) : std::runtime_error{why}, permanent{is_permanent} {}
    bool permanent;  // as far as known, no later load will succeed
};

// The definition in the database is not, or is no longer, the one that the tally has here.
struct other_definition : load_failure {
    other_definition() : load_failure{"its definition in the database differs from the one that was read", false} {}
};

// Thrown by a load that is not wanted any more.
struct load_given_up {};

// A load's access to its tally. At any time the tally may be removed, or the load may be given up.
class load_target {
public:
    virtual ~load_target() = default;

    // The tally, while this load is wanted; otherwise null.
    virtual cache::tally* wanted() noexcept = 0;

    // The stream of the tally's transport.
    virtual cache::stream const* stream() noexcept = 0;

    // The load waits for something that the database names. Returns false if the load is not wanted any more.
    virtual bool waits(cache::reason why) = 0;

    // What the source is, by `tally.look()`. Read under the lock and before the fence, so that the load contains it.
    virtual void source_is(std::string fingerprint) = 0;
};

// How long a load waits for the database.
struct load_times {
    std::chrono::milliseconds answer;    // for statements that need no work; if it takes longer, the database hangs
    std::chrono::milliseconds patience;  // for the truth

    load_times(std::chrono::milliseconds for_answers, std::chrono::milliseconds for_the_truth)
        : answer{for_answers}, patience{for_the_truth}
    {
    }
};

// Carries out steps 1 to 3 and commits the load's transaction: everything but the barrier. `name` is the tally's name,
// `by` its transport.
//
// A change of the source between the reading of what it is and the fence is possible where it takes no lock that
// conflicts with the load's: the next look sees it.
//
// Errors: throws db::error, load_failure, other_definition or load_given_up.
boost::asio::awaitable<void> load_truth(db::connection& connection, int schema_version, transport const& by,
                                        std::string name, load_times times, load_target& target);

}  // namespace pgtally
