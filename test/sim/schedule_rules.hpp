#pragma once

// The rules that every load must keep. They are checked against an independent record of what happened to the server.

#include "values.hpp"

#include <pgtally/cache/load_schedule.hpp>

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace pgtally::sim {

class schedule_rules {
public:
    using time_point = load_schedule::time_point;
    using order = load_schedule::order;

    void opened(std::size_t transport) noexcept;
    void lost(std::size_t transport) noexcept { open_[transport] = false; }
    std::uint64_t reopenings() const noexcept { return reopenings_; }

    // The definitions are requested; are being read; were read.
    void asked() noexcept { ++asked_; }
    void asked_for(std::string_view tally) { of(tally).needs = ++asked_; }  // before this tally's next load
    void reads() noexcept { reading_ = asked_; }
    void has_read() noexcept { read_ = reading_; }

    void moved(std::string_view tally, std::size_t transport) { of(tally).transport = transport; }
    void wanted(std::string_view tally, load_cause cause);
    void held(std::string_view tally, bool is) { of(tally).held = is; }
    bool is_held(std::string_view tally) { return of(tally).held; }
    void removed(std::string_view tally);

    // Each throws `violation`.
    void begins(order const& o);
    void uses_connection_of(std::uint64_t reopening) const;  // the number of reopenings when it connected
    void ends(order const& o, time_point now, bool failed);

private:
    struct record {
        bool held = false;
        std::size_t transport = notify;
        std::uint64_t needs = 0;  // the request for definitions that must be satisfied before a load
        std::optional<order> running;
        std::optional<time_point> failed;  // since then, only retries were wanted
        std::deque<time_point> by_event;   // when the last loads that events caused ended
    };
    record& of(std::string_view tally);

    bool open_[transport_count]{}, opened_before_[transport_count]{};
    std::uint64_t reopenings_ = 0, asked_ = 1, reading_ = 0, read_ = 0;
    std::map<std::string, record, std::less<>> tallies_;
};

}  // namespace pgtally::sim
