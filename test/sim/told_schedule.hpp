#pragma once

// The shipped schedule of loads, as a server of the model uses it. If a flaw of the schedule is planted, the server
// withholds a report from it, makes a false report, or does not do what it orders.

#include "flaw.hpp"

#include <pgtally/cache/load_schedule.hpp>

#include <set>
#include <string>
#include <string_view>
#include <utility>

namespace pgtally::sim {

class told_schedule : public load_schedule {
public:
    told_schedule(flaw broken, std::function<double()> random)
        : load_schedule{db::backoff_limits{}, std::move(random)}, broken_{broken}
    {
    }

    void want(std::string_view name, load_cause cause)
    {
        if (broken_ == flaw::forgotten && cause == load_cause::reload && running_.contains(name)) return;
        bool const in_doubt = cause == load_cause::reconnect || cause == load_cause::definition;
        if (broken_ == flaw::definitions && in_doubt) cause = load_cause::reset;
        load_schedule::want(name, cause);
    }

    void hold(std::string_view name)
    {
        if (broken_ == flaw::held) lost_.emplace(name);
        else load_schedule::hold(name);
    }

    void release(std::string_view name)
    {
        if (lost_.erase(std::string{name}) != 0) load_schedule::hold(name);
        load_schedule::release(name);
    }

    std::optional<order> next(time_point now)
    {
        auto result = load_schedule::next(now);
        if (!result) return result;
        running_.insert(result->tally);
        if (broken_ == flaw::generation) result->generation = 0;
        return result;
    }

    void done(order const& o, cache::load_report const& report, cache::state state, time_point now)
    {
        running_.erase(o.tally);
        if (broken_ == flaw::pacing) now -= std::chrono::hours{1};
        if (broken_ == flaw::forgotten) load_schedule::done(o, {}, cache::state::live, now);
        else load_schedule::done(o, report, state, now);
    }

    void given_up(order const& o, cache::state state, time_point now)
    {
        running_.erase(o.tally);
        if (broken_ == flaw::unfinished) load_schedule::done(o, {}, cache::state::live, now);
        else load_schedule::given_up(o, state, now);
    }

    consequence failed(order const& o, failure why, cache::state state, time_point now)
    {
        running_.erase(o.tally);
        if (broken_ == flaw::pause) now += std::chrono::hours{1};
        if (broken_ != flaw::unfinished) return load_schedule::failed(o, why, state, now);
        load_schedule::done(o, {}, cache::state::live, now);
        return consequence::none;
    }

private:
    flaw broken_;
    std::set<std::string, std::less<>> running_, lost_;
};

}  // namespace pgtally::sim
