#pragma once

// One load of one tally: the five steps of tally.hpp, on a connection of its own.
//
// Model: one statement, under read committed, reads both the fence and the truth: a cursor's query, whose snapshot is
// taken when it is declared, after the source was locked. (The lock is taken by a function, on behalf of a role that
// needs no right on the source; under repeatable read that call itself would take the snapshot, before the lock.) The
// fence is its first row, so that it is known before the truth is computed. Without the lock a TRUNCATE or a rewrite of
// the table that commits between the snapshot and the first row would make the load read an empty table.

#include <pgtally/cache/tally.hpp>
#include <pgtally/db/connection.hpp>

#include <boost/asio/awaitable.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>

namespace pgtally {

// Why a load ended without success, other than by a db::error.
struct load_failure : std::runtime_error {
    load_failure(std::string const& why, bool is_permanent) : std::runtime_error{why}, permanent{is_permanent} {}
    bool permanent;  // loading again will not help, as far as we know
};

// The definition in the database is not, or not any more, the one that the tally has here.
struct other_definition : load_failure {
    other_definition() : load_failure{"its definition in the database is another one than was read", false} {}
};

// Thrown where somebody decided that the load is of no use any more.
struct load_given_up {};

// A load's view of its tally, which may go away or give the load up at any time.
class load_target {
public:
    virtual ~load_target() = default;

    // The tally, while this load is still wanted; else null.
    virtual cache::tally* wanted() noexcept = 0;
};

// How long a load waits for the database.
struct load_times {
    std::chrono::milliseconds answer;    // for what takes no time: it tells a connection that hangs
    std::chrono::milliseconds patience;  // for the truth

    load_times(std::chrono::milliseconds for_answers, std::chrono::milliseconds for_the_truth)
        : answer{for_answers}, patience{for_the_truth}
    {
    }
};

// Steps 1 to 3 and the commit of step 5: everything but the barrier. `name` is the tally's.
boost::asio::awaitable<void> load_truth(db::connection& connection, std::string name, load_times times,
                                        load_target& target);

}  // namespace pgtally
