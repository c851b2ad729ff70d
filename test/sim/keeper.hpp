#pragma once

// Materialization, as a small table of its own: one server at a time, the one with the lock, writes absolute values of
// the keys that changed; whoever has just got the lock begins with all of them.

#include "host.hpp"

namespace pgtally::sim {

class keeper {
public:
    keeper(environment& around, host& of, std::size_t tally) : env_{around}, host_{of}, tally_{tally} {}

    void step();
    void break_connection();
    void check_quiet() const;
    bool holds_lock() const noexcept { return locked_ && connection_.alive(); }

    // Whether everything that is served is written.
    bool settled() const;

private:
    using batch = database::kept_table;
    enum class phase {
        planning,  // what is to be written?
        writing,   // the statement is on its way
        waiting,   // it was done, the answer is on its way
    };

    cache::tally* live() const noexcept;
    bool needs_everything(cache::tally const& t) const noexcept;
    void plan(cache::tally const& t);
    void write();
    void answered();
    void done();

    environment& env_;
    host& host_;
    std::size_t tally_;
    wire connection_;
    bool locked_ = false, everything_ = true;
    phase at_ = phase::planning;
    std::string epoch_;
    std::uint64_t written_ = 0, planned_ = 0;
    std::vector<batch> batches_;
    sums added_{};  // by the flaw `deltas` alone
};

}  // namespace pgtally::sim
