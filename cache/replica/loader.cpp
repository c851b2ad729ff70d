#include <pgtally/cache/replica/loader.hpp>

#include <pgtally/cache/replica/catalog.hpp>
#include <pgtally/cache/replica/look_query.hpp>
#include <pgtally/cache/replica/session_settings.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

namespace pgtally {

namespace {

using truth_row = std::tuple<std::optional<std::string>, std::optional<std::vector<std::int64_t>>>;

constexpr char const* declare_load =
    "declare load no scroll cursor for "
    "select pg_current_snapshot()::text as key, null::bigint[] as counters "
    "union all select key, counters from tally.truth(";

cache::tally& wanted(load_target& target)
{
    auto* const tally = target.wanted();
    if (tally == nullptr) throw load_given_up{};
    return *tally;
}

// Begins the transaction and locks the source. Returns false if the lock is held, there is time, and it was rolled back.
boost::asio::awaitable<bool> begin_with_lock(db::connection& connection, int schema_version, std::string name,
                                             load_target& target, std::chrono::steady_clock::time_point until)
{
    auto const begin = begin_reading();
    co_await connection.script(begin);
    // After a failover the name may lead to another database than the one from which the definitions were read. If the
    // definition changes after this check, an event reports it before the barrier comes back.
    auto const meant = co_await read_identity(connection, schema_version, name);
    if (meant != identity_of(wanted(target).definition())) throw other_definition{};
    try {
        co_await connection.query("select tally.lock_source($1)", name);
        co_return true;
    } catch (db::error const& e) {
        if (!e.state().is("55P03") || std::chrono::steady_clock::now() >= until) throw;
    }
    co_await connection.query("rollback");
    co_return false;
}

void take_fence(db::rows<truth_row> const& rows, load_target& target)
{
    auto const [text, nothing] = rows.one();
    auto snapshot = cache::fence::parse(text.value_or(""));
    if (!snapshot) throw load_failure{"the database's snapshot cannot be parsed", true};
    if (auto const refusal = wanted(target).set_fence(std::move(*snapshot))) throw load_failure{*refusal, false};
}

void take_rows(db::rows<truth_row> const& rows, load_target& target)
{
    auto& tally = wanted(target);
    for (auto const& [key, counters] : rows) {
        auto const refusal = tally.add_truth_row(key.value_or(""), counters.value_or(std::vector<std::int64_t>{}));
        if (refusal) throw load_failure{*refusal, true};
    }
}

}  // namespace

boost::asio::awaitable<void> load_truth(db::connection& connection, int schema_version, transport const& by,
                                        std::string name, load_times times, load_target& target)
{
    // A tally's name matches [a-z][a-z0-9_]*, so it needs no escaping in a literal.
    std::string const declaration = declare_load + ("'" + name + "')");
    if (auto const refusal = wanted(target).begin_load(target.stream())) throw load_failure{*refusal, false};
    connection.set_timeout(times.answer);
    auto const waits = [&target](cache::reason why) { return target.waits(std::move(why)); };
    co_await by.prepare_load(connection, waits);
    wanted(target);
    auto const until = std::chrono::steady_clock::now() + load_lock_timeout;
    for (bool locked = false; !locked;) {
        locked = co_await begin_with_lock(connection, schema_version, name, target, until);
    }
    if (schema_version >= schema_that_looks) {
        auto const seen = co_await read_look(connection, name);
        if (!seen.empty()) target.source_is(seen.front().fingerprint);
    }
    co_await connection.query(declaration);
    auto const first = co_await connection.query_as<truth_row>("fetch 1 from load");
    take_fence(first, target);
    connection.set_timeout(times.patience);
    for (;;) {
        auto const rows = co_await connection.query_as<truth_row>("fetch forward 10000 from load");
        if (rows.empty()) break;
        take_rows(rows, target);
    }
    connection.set_timeout(times.answer);
    co_await connection.query("commit");
    wanted(target);
}

}  // namespace pgtally
