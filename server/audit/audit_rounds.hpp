#pragma once

#include <pgtally/cache/replica/replica_set.hpp>
#include <pgtally/db/detail/signal.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <chrono>

namespace pgtally::server {

namespace asio = boost::asio;

// When the next round of audits begins: the first of the times `first`, `first + every`, … after `now`. If a round
// takes longer than `every`, the times that pass meanwhile are skipped.
std::chrono::steady_clock::time_point next_round(std::chrono::steady_clock::time_point first,
                                                 std::chrono::milliseconds every,
                                                 std::chrono::steady_clock::time_point now) noexcept;

// `--audit-every`: audits all tallies periodically, one after the other. The first round begins at a random time in the
// first interval, so that several servers do not read a source at the same time. A tally that is not live is skipped,
// and the log says so.
class audit_rounds {
public:
    audit_rounds(asio::any_io_executor executor, replica_set& replicas, std::chrono::milliseconds every,
                 std::chrono::milliseconds patience);

    // Runs until `stop`. An audit in progress ends with the replica set.
    asio::awaitable<void> run();
    void stop();

private:
    asio::awaitable<void> round();

    replica_set& replicas_;
    std::chrono::milliseconds every_, patience_;
    db::detail::signal stopped_;
    bool stopping_ = false;
};

}  // namespace pgtally::server
