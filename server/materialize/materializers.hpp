#pragma once

// One materializer for each materialized tally.
//
// Model: `run` starts a materializer when a tally with a table appears. A materializer ends by itself when its tally is
// dropped or has no table any more.

#include <pgtally/server/materialize/materializer.hpp>

#include <map>
#include <memory>
#include <string_view>

namespace pgtally::server {

class materializers {
public:
    // `database` is the configuration that the other connections of the server use.
    materializers(asio::any_io_executor executor, replica_set& replicas, db::config database,
                  std::chrono::milliseconds every, limits const& bounds);

    // Runs until `finish` or `cut`, and until all materializers have ended.
    asio::awaitable<void> run();

    // To be called after each change of the replicas.
    void on_replicas_changed() noexcept;

    // Starts a full pass over the table of the tally, if it has one: another program may have changed the table.
    void full_pass(std::string_view tally) noexcept;

    // The steps of a shutdown: short pauses between rounds; one last round; stop now.
    void hurry() noexcept;
    void finish() noexcept;
    void cut() noexcept;

    // The number of materializers that have not ended.
    std::size_t busy() const noexcept { return all_.size(); }

    // With what each table waits for now.
    materialize_counters const& stats();

private:
    void start_missing();
    void start(std::string const& name);

    asio::any_io_executor executor_;
    replica_set& replicas_;
    db::config database_;
    std::chrono::milliseconds every_;
    limits const& bounds_;
    materialize_counters counted_;
    std::map<std::string, std::unique_ptr<materializer>, std::less<>> all_;  // those that run
    db::detail::signal wake_;
    bool knows_tallies_ = false, ending_ = false;
};

}  // namespace pgtally::server
