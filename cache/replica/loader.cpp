#include <pgtally/cache/replica/loader.hpp>

#include <pgtally/cache/replica/catalog.hpp>
#include <pgtally/cache/replica/look_query.hpp>
#include <pgtally/cache/replica/session_settings.hpp>
#include <pgtally/db/detail/signal.hpp>

#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace pgtally {

namespace {

using truth_row = std::tuple<std::optional<std::string_view>, std::optional<std::vector<std::int64_t>>>;

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

// Rows that were asked for. They arrive while the caller does something else.
struct batch {
    explicit batch(boost::asio::any_io_executor executor) : arrived{std::move(executor)} {}
    db::detail::signal arrived;
    std::exception_ptr failure;
    db::rows<truth_row> rows;
};

std::shared_ptr<batch> ask_for_rows(db::connection& connection)
{
    auto const asked = std::make_shared<batch>(connection.executor());
    auto const take = [asked](std::exception_ptr failure, db::rows<truth_row> rows) {
        asked->failure = std::move(failure);
        asked->rows = std::move(rows);
        asked->arrived.notify();
    };
    connection.async_query_as<truth_row>("fetch forward 10000 from load", take);
    return asked;
}

boost::asio::awaitable<db::rows<truth_row>> arrival_of(std::shared_ptr<batch> asked)
{
    co_await asked->arrived.wait();
    if (asked->failure) std::rethrow_exception(asked->failure);
    co_return std::move(asked->rows);
}

void take_rows(db::rows<truth_row> const& rows, load_target& target)
{
    auto& tally = wanted(target);
    for (auto const& [key, counters] : rows) {
        auto const refusal = tally.add_truth_row(key.value_or(""), counters.value_or(std::vector<std::int64_t>{}));
        if (refusal) throw load_failure{*refusal, true};
    }
}

// PostgreSQL prepares the next rows while this side takes those that came: both have half of the work after the sums.
boost::asio::awaitable<void> load_rows(db::connection& connection, load_target& target)
{
    auto next = ask_for_rows(connection);
    try {
        for (;;) {
            auto const rows = co_await arrival_of(next);
            if (rows.empty()) co_return;
            next = ask_for_rows(connection);
            take_rows(rows, target);
        }
    } catch (...) {
        connection.close();  // it may be busy with rows that nobody takes
        throw;
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
    co_await load_rows(connection, target);
    connection.set_timeout(times.answer);
    co_await connection.query("commit");
    wanted(target);
}

}  // namespace pgtally
