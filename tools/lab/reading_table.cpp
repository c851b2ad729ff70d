#include "reading_table.hpp"

#include <cmath>

namespace pgtally::lab {
namespace {

using std::chrono::nanoseconds;

}  // namespace

table empty_reading_table()
{
    return table({{"read by", "way"},
                  {"reads/s", "reads_per_second", align::right},
                  {"p50 ms", "p50_ms", align::right},
                  {"p99 ms", "p99_ms", align::right},
                  {"age p50 ms", "age_p50_ms", align::right},
                  {"age p99 ms", "age_p99_ms", align::right},
                  {"age max ms", "age_max_ms", align::right},
                  {"behind p50", "behind_p50", align::right},
                  {"behind max", "behind_max", align::right},
                  {"writes/s", "writes_per_second", align::right},
                  {"written", "written", align::right},
                  {"exact", "exact"},
                  {"remark", "remark"}});
}

std::vector<cell> absent_row(std::string const& name, std::string const& why)
{
    std::vector<cell> row;
    row.push_back(words(name));
    for (int i = 0; i < 11; ++i) row.push_back(nothing());
    row.push_back(words("absent: " + why));
    return row;
}

std::vector<cell> reading_row(std::string const& name, reads& done, reading_options const& chosen,
                              std::string const& remark)
{
    auto const milliseconds = [](nanoseconds time, unsigned places) {
        return decimal(std::chrono::duration<double, std::milli>(time).count(), places);
    };
    auto const rate = [&](std::size_t count) { return number(std::llround(per_second(count, chosen.seconds))); };
    bool const none = done.latencies.added() == 0;
    auto const measured = [&](cell value) { return none ? nothing() : std::move(value); };
    std::vector<cell> row;
    row.push_back(words(name));
    row.push_back(rate(done.latencies.added()));
    row.push_back(measured(milliseconds(done.latencies.at(0.5), 4)));
    row.push_back(measured(milliseconds(done.latencies.at(0.99), 4)));
    row.push_back(measured(milliseconds(done.ages.at(0.5), 2)));
    row.push_back(measured(milliseconds(done.ages.at(0.99), 2)));
    row.push_back(measured(milliseconds(done.ages.greatest(), 2)));
    row.push_back(measured(number(done.behinds.at(0.5))));
    row.push_back(measured(number(done.behinds.greatest())));
    row.push_back(rate(done.written));
    row.push_back(number(static_cast<std::int64_t>(done.written)));
    row.push_back(yes_or_no(done.exact));
    row.push_back(words(remark));
    return row;
}

std::string describe(reading_options const& chosen)
{
    auto const many = [](std::size_t count, char const* what) {
        return std::to_string(count) + ' ' + what + (count == 1 ? "" : "s");
    };
    return many(chosen.writers, "writer") + " and " + many(chosen.readers, "reader") + " of message " +
           std::to_string(chosen.message) + " for " + std::to_string(chosen.seconds.count()) + " s, " +
           number(static_cast<std::int64_t>(chosen.history)).text + " retweets before";
}

boost::json::object settings_of(reading_options const& chosen, std::string const& server_version)
{
    boost::json::object all;
    all["server_version"] = server_version;
    all["writers"] = chosen.writers;
    all["readers"] = chosen.readers;
    all["seconds"] = chosen.seconds.count();
    all["refresh_ms"] = chosen.refresh.count();
    all["history"] = chosen.history;
    all["message"] = chosen.message;
    return all;
}

}  // namespace pgtally::lab
