#pragma once

#include <pgtally/cache/replica/replica_set.hpp>
#include <pgtally/db/detail/signal.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <chrono>

namespace pgtally::server {

namespace asio = boost::asio;

// When the next round of audits begins: the first point of the grid `first`, `first + every`, … that is later than
// `now`. A round that took longer than that leaves out what it missed.
std::chrono::steady_clock::time_point next_round(std::chrono::steady_clock::time_point first,
                                                 std::chrono::milliseconds every,
                                                 std::chrono::steady_clock::time_point now) noexcept;

// `--audit-every`: audits all tallies, one after another, again and again. The first round begins at a random moment of
// the first interval, so that many servers do not read a source at the same time. A tally that is not live is passed
// over; the log says so.
class audit_rounds {
public:
    audit_rounds(asio::any_io_executor executor, replica_set& replicas, std::chrono::milliseconds every,
                 std::chrono::milliseconds patience);

    // Until `stop`; an audit under way ends with the set.
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
