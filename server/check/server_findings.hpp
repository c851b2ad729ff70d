#pragma once

#include <pgtally/server/ask/answers.hpp>
#include <pgtally/server/check/examination.hpp>
#include <pgtally/server/check/samples.hpp>

#include <optional>
#include <string>
#include <vector>

namespace pgtally::server {

// What a running server answered, and what follows from it. Totals count from the start of the server: where an alert looks
// at the last minutes, these take the average since the start.

struct server_reading {
    std::optional<samples> metrics{};  // nothing if they cannot be read
    bool admin = true;                 // the address knows GET /metrics
    std::vector<tally_standing> tallies{};
    unsigned ready = 0;     // the status of GET /readyz?live
    double now = 0;         // seconds since 1970
    std::string program{};  // the version of this program
};

// How long the server runs, in seconds; nothing if it does not say.
std::optional<double> uptime(server_reading const& of);

// Appends the groups and the findings: of the service as a whole, of each tally, and of what it uses.
void judge_service(server_reading const& of, examination& out);
void judge_tallies(server_reading const& of, examination& out);
void judge_use(server_reading const& of, examination& out);

}  // namespace pgtally::server
