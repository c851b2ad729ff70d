#include "anomalies.hpp"

#include "experiments.hpp"

#include <utility>

namespace pgtally::lab {

asio::awaitable<report> anomalies(laboratory& lab, anomalies_options chosen, progress& shown)
{
    report found{"anomalies"};
    found.settings["server_version"] = lab.server_version();
    found.settings["message"] = chosen.message;
    co_await lab.reset(chosen.message, 1);
    co_await have_schema_tally(lab, shown);
    shown.begin("anomalies", 3);
    auto parts = co_await writers_anomalies(lab, chosen.message);
    shown.tick();
    auto more = co_await service_anomalies(lab, chosen.message);
    shown.tick();
    auto last = co_await payloads(lab, chosen.message);
    shown.end();
    for (auto& one : parts) found.sections.push_back(std::move(one));
    for (auto& one : more) found.sections.push_back(std::move(one));
    found.sections.push_back(std::move(last));
    co_return found;
}

}  // namespace pgtally::lab
