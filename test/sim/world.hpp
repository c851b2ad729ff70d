#pragma once

// The state of one history, and how it is played.

#include "history.hpp"
#include "host.hpp"
#include "keeper.hpp"

#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

namespace pgtally::sim {

class world {
public:
    world(history const& what, flaw broken, std::ostream* trace);

    // Plays the whole history and brings it to rest at its end. Throws `violation`.
    void play();

private:
    void take(step const& s);
    bool take_as_writer(step const& s);
    bool take_as_server(step const& s);
    void take_as_fault(step const& s);
    bool write(database& at, std::size_t who, std::uint32_t how);
    bool define(database& at, std::size_t who, std::size_t tally, std::uint32_t how);
    void junk(std::uint32_t how);
    void forge(std::uint32_t how);
    void rename_source(std::size_t tally);
    void change_source(step const& s);
    void fail_over(std::uint32_t how);
    void stop_old();
    void leave_old();
    void let_time_pass(milliseconds how_long);
    void come_to_rest(std::uint32_t how);
    void end_transactions(std::uint32_t how);
    bool at_rest();
    bool keepers_at_rest();
    void turn_servers();

    history const& history_;
    environment env_;
    std::vector<std::unique_ptr<host>> hosts_;
    std::vector<std::unique_ptr<keeper>> keepers_;
    unsigned definitions_ = 4;
};

// Plays the history. Returns why it fails, or nothing.
std::optional<std::string> play(history const& what, flaw broken, std::ostream* trace = nullptr);

}  // namespace pgtally::sim
