#pragma once

// Materialization: does what server/materialize/materializer.cpp does, one statement at a time, by the shipped plan.
// The server that holds the lock writes. An answer may be lost with the connection, and a constraint may refuse a row.

#include "host.hpp"

#include <pgtally/server/materialize/materializer_plan.hpp>

namespace pgtally::sim {

class keeper {
public:
    keeper(environment& around, host& of, std::size_t tally);

    void step();
    void break_connection();
    void leave_old()
    {
        if (connection_.alive() && connection_.number() != env_.named) break_connection();
    }
    void want_everything() noexcept { plan_.want_full_pass(); }  // as after an audit
    void check_quiet() const;

    // Whether this server has the lock, and all served counters are written.
    bool settled() const noexcept;

private:
    enum class phase {
        planning,  // decides what to do next
        writing,   // the statement is on its way
        waiting,   // the statement was executed, the answer is on its way
    };

    cache::tally* live() const noexcept;
    void go_on(cache::tally const& t);
    void read_page(cache::tally const& t);
    void write();

    environment& env_;
    host& host_;
    std::size_t tally_;
    wire connection_;
    server::limits bounds_;
    server::materializer_plan plan_;
    bool locked_ = false, refused_ = false, rests_ = true;
    phase at_ = phase::planning;
    meaning as_;  // of the batch under way
    std::string round_epoch_;
    std::uint64_t round_revision_ = 0;
    sums added_{};  // used by the flaw `deltas` only
};

}  // namespace pgtally::sim
