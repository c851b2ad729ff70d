#pragma once

// A materializer for each tally that is kept in a table, while there is one.

#include <pgtally/server/materialize/materializer.hpp>

#include <map>
#include <memory>
#include <string_view>

namespace pgtally::server {

class materializers {
public:
    // `database` is how other connections of the server are made.
    materializers(asio::any_io_executor executor, replica_set& replicas, db::config database,
                  std::chrono::milliseconds every, limits const& bounds);

    // Until `finish` or `cut`, and all of them have ended.
    asio::awaitable<void> run();

    // Something happened to the replicas.
    void on_replicas_changed() noexcept;

    // Compares the whole table of a tally at once: somebody else may have changed it. No such tally: nothing.
    void full_pass(std::string_view tally) noexcept;

    // The end: rounds with hardly a pause; one last round; no more.
    void hurry() noexcept;
    void finish() noexcept;
    void cut() noexcept;

    // How many have not ended.
    std::size_t busy() const noexcept { return all_.size(); }

    materialize_counters const& stats() const noexcept { return counted_; }

private:
    void start_missing();
    void start(std::string const& name);

    asio::any_io_executor executor_;
    replica_set& replicas_;
    db::config database_;
    std::chrono::milliseconds every_;
    limits const& bounds_;
    materialize_counters counted_;
    std::map<std::string, std::unique_ptr<materializer>, std::less<>> all_;  // that run
    db::detail::signal wake_;
    bool knows_tallies_ = false, ending_ = false;
};

}  // namespace pgtally::server
