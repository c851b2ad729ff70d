#include <pgtally/cache/replica/audit_reasons.hpp>

#include <cstdint>
#include <tuple>
#include <utility>

namespace pgtally {

namespace {

constexpr char const* select_problems = "select coalesce(problems, '{}')::text[] from tally.tallies where name = $1";

// Compares names, because this needs no right on the source. A subscription applies rows to partitions too.
constexpr char const* select_subscribed = R"(
    select exists (select from pg_subscription_rel r
                     join pg_class c on c.oid = coalesce(pg_partition_root(r.srrelid), r.srrelid)
                     join pg_namespace n on n.oid = c.relnamespace
                    where format('%I.%I', n.nspname, c.relname) = $1))";

}  // namespace

std::vector<std::string> reasons_of(drift_evidence const& seen)
{
    std::vector<std::string> out;
    if (seen.forged) {
        out.push_back("an event was forged: it names transaction " +
                      std::to_string(static_cast<std::uint64_t>(*seen.forged)) +
                      ", which had not ended when the event arrived");
    }
    out.insert(out.end(), seen.problems.begin(), seen.problems.end());
    if (seen.subscribed) {
        out.emplace_back(
            "a subscription of logical replication applies rows to the source, which fires no trigger; "
            "remedy: call tally.reload after it has applied them");
    }
    if (!out.empty()) return out;
    std::string const past =
        "the source's triggers were off for a while, a partition with rows was attached or detached, rows came by "
        "logical replication, or events were forged";
    out.push_back(seen.asked ? "the tally has no problems now; before, " + past
                             : "the tally's problems could not be read; perhaps " + past);
    return out;
}

boost::asio::awaitable<drift_evidence> read_drift_evidence(db::connection& connection, std::string tally,
                                                           std::string source)
{
    using problems_row = std::tuple<std::vector<std::string>>;
    using subscribed_row = std::tuple<bool>;
    drift_evidence out;
    try {
        auto const found = co_await connection.query_as<problems_row>(select_problems, tally);
        for (auto const& [problems] : found) out.problems.assign(problems.begin(), problems.end());
        out.asked = true;
        auto const subscribed = co_await connection.query_as<subscribed_row>(select_subscribed, source);
        out.subscribed = std::get<0>(subscribed.one());
    } catch (db::error const&) {
        // The audit is complete without these reasons.
    }
    co_return out;
}

}  // namespace pgtally
