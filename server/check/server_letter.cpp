#include <pgtally/server/ask/http_client.hpp>
#include <pgtally/server/base/limits.hpp>
#include <pgtally/server/base/version.hpp>
#include <pgtally/server/check/server_findings.hpp>
#include <pgtally/server/check/server_letter.hpp>

#include <chrono>
#include <exception>
#include <utility>

namespace pgtally::server {

namespace {

double seconds_now()
{
    auto const since = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration<double>(since).count();
}

void add_failure(examination& out, std::string kind, std::string message, std::string remedy)
{
    out.found.push_back(
        {.check = "service", .kind = std::move(kind), .message = std::move(message), .remedy = std::move(remedy)});
}

// Appends why the answer cannot be used. 404 is a public address.
void judge_answers(http_answer const& metrics, http_answer const& tallies, server_access const& access,
                   server_reading& into, examination& out)
{
    auto const otherwise = "is this the address of a pgtally server?";
    into.admin = metrics.status != 404;
    if (metrics.status == 200) into.metrics = samples::parse(metrics.body);
    if (metrics.status == 200 ? !into.metrics : into.admin) {
        add_failure(out, "unreadable",
                    "GET /metrics: " + (metrics.status == 200 ? std::string{"the answer is not in Prometheus's format"}
                                                              : refusal_in(metrics, access.token, otherwise)),
                    "name the address that --admin-listen gives the server");
    }
    auto standings = tallies.status == 200 ? tallies_in(tallies.body) : std::nullopt;
    if (standings) {
        into.tallies = std::move(*standings);
        return;
    }
    add_failure(out, "unreadable",
                "GET /v1/tallies: " + (tallies.status == 200 ? std::string{"the answer cannot be read"}
                                                             : refusal_in(tallies, access.token, otherwise)),
                "use the server's admin address, which needs no token, or name a token by --token-file FILE");
}

}  // namespace

asio::awaitable<examination> examine_server(server_access access, progress& report)
{
    examination out;
    out.of = examination::subject::server;
    out.title = "the server at " + to_string(access.url);
    report.step("asking " + to_string(access.url));
    server_reading reading;
    auto const at_most = limits{}.ask_timeout;
    try {
        auto const metrics = co_await ask_server(access, "GET", "/metrics", at_most);
        auto const tallies = co_await ask_server(access, "GET", "/v1/tallies", at_most);
        auto const ready = co_await ask_server(access, "GET", "/readyz?live", at_most);
        reading.ready = ready.status;
        reading.now = seconds_now();
        reading.program = version();
        judge_answers(metrics, tallies, access, reading, out);
    } catch (std::exception const& e) {
        add_failure(out, "unreachable", e.what(), "start the server, or name its admin address by --url");
        co_return out;
    }
    bool const readable = out.found.empty();
    judge_service(reading, out);
    if (readable) judge_tallies(reading, out);
    judge_use(reading, out);
    co_return out;
}

}  // namespace pgtally::server
