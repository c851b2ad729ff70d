#pragma once

// A schedule of loads whose loader is the test.

#include <pgtally/cache/load_schedule.hpp>

#include <optional>
#include <string>

namespace pgtally::test {

// A schedule with tallies `a` and `b` on an open transport, whose definitions were read. The pauses have no jitter:
// each has its maximum length.
struct schedule_fixture {
    load_schedule s{{std::chrono::milliseconds{100}, std::chrono::seconds{10}}, [] { return 1.0; }};
    load_schedule::time_point now{std::chrono::hours{1}};

    schedule_fixture()
    {
        s.transport_opened(0);
        s.definitions_read(s.definitions_asked());
        s.add("a", 0);
        s.add("b", 0);
    }

    // Begins the next load. Returns its tally and its cause, or an empty text.
    std::string next()
    {
        last = s.next(now);
        return last ? last->tally + ' ' + std::string{to_string(last->cause)} : std::string{};
    }

    void done(load_schedule::order const& o, bool live = true)
    {
        cache::load_report report;
        report.live = live;
        s.done(o, report, live ? cache::state::live : cache::state::stale, now);
    }

    // Carries out every load that is due.
    void load_all()
    {
        while (!next().empty()) done(*last);
    }

    std::optional<load_schedule::order> last;
};

}  // namespace pgtally::test
